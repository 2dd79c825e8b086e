import { Server } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { EndpointsService } from "#proto/rouse/meshconfig/v1/endpoints.ts";
import { type MeshConfigServer, MeshConfigService } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import type { MeshState } from "../registry/state.ts";
import { clusterName } from "../registry/target.ts";
import { answer } from "../sdk/answer.ts";
import { listen } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import { Activation, type FollowLeader } from "./activation.ts";
import { DirectLoads } from "./direct/loads.ts";
import { DirectStreams } from "./direct/streams.ts";
import { JsonMethods, type ReadDescriptorSet } from "./json/source.ts";
import { Peers } from "./peers.ts";
import { adsService, lrsService } from "./proto/wire.ts";
import type { MeshSettings } from "./resources/settings.ts";
import { RouteWaits } from "./route-waits.ts";
import { type EnvoyStatus, envoyStatus } from "./status.ts";
import { wakeWatch } from "./wake-watch.ts";
import { latest, Wakes } from "./wakes.ts";
import { Wants } from "./wants.ts";
import { Control } from "./xds/control.ts";
import { Drains } from "./xds/drains.ts";
import { Loads } from "./xds/loads.ts";
import { envoyStreams } from "./xds/service.ts";

/**
 * A change is taken at once, and what comes while that was worked out and for so many times as long is taken together: a burst
 * never fills a core. What the orchestrator says goes at once.
 */
const BURST_SHARE = 3;
const LEAST_BURST_MS = 2;
const CHECK_MS = 1_000;
/** Envoys report each second; after so long without a word of one the others' loads are told, ms. */
const LONGEST_SILENCE_MS = 1_300;

/**
 * Options of the server that serves Envoys. An Envoy never forgets the name of a cluster that it held calls for, and
 * names them all when it connects anew: 64 MiB are about a million.
 */
export const serverOptions = {
  "grpc.max_receive_message_length": 64 << 20,
  // An Envoy that is gone without a word is found out.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
} as const;

export interface MeshConfigDeps {
  /** Name of this mesh-config, stable over restarts and different from all others. */
  readonly id: string;
  readonly settings: MeshSettings;
  /** Says where the leading orchestrator is. */
  readonly followLeader: FollowLeader;
  /** "host:port" of the other control planes that are well; default: there are none. */
  readonly peers?: () => readonly string[];
  /** Told that the stream to the leader at this address broke. */
  readonly onLeaderBroken?: (address: string) => void;
  readonly log: Logger;
  /** Reads the contracts that settings.json needs. */
  readonly readDescriptorSet?: ReadDescriptorSet;
  /** How long a disconnected Envoy counts as serving still, ms; default 10,000. */
  readonly graceMs?: number;
  /** How long after a start timeout without word from an orchestrator callers are told that there is none, ms; default 10,000. */
  readonly silenceMs?: number;
}

export interface RunningMeshConfig {
  /** Takes the newest full state; Envoys wait for the first. */
  meshChanged(state: MeshState): void;
  status(): EnvoyStatus[];
  readonly wakes: Wakes;
  /** Ends the streams gracefully: Envoys keep what they have and come back to whoever listens. */
  close(): Promise<void>;
}

/** Adds the xDS control plane and the MeshConfig API to a server. */
export async function addMeshConfig(server: Server, deps: MeshConfigDeps): Promise<RunningMeshConfig> {
  const { id, settings, log } = deps;
  const wakes = new Wakes();
  const loads = new Loads();
  const directLoads = new DirectLoads();
  const first = Promise.withResolvers<Control>();
  let control: Control | undefined;
  let drains: Drains | undefined;

  const activation = new Activation({
    id,
    followLeader: deps.followLeader,
    ...(deps.onLeaderBroken && { onBroken: deps.onLeaderBroken }),
    log,
    drained: () => drains?.done() ?? [],
    behind: () => control?.behind() ?? [],
    onReady: ({ target, instanceId, address, host }) => {
      if (target === undefined || control === undefined) return;
      control.ready(target, { id: instanceId, address, host, draining: false });
    },
    onStages: ({ target, placedMs, createdMs, startedMs, readyMs, host }) => {
      if (target === undefined) return;
      wakes.times(clusterName(target), { placedMs, createdMs, startedMs, readyMs }, host);
      wants.heard(target);
    },
    onLed: () => wants.led(),
  });
  const wants = new Wants(() => control as Control, activation, wakes, log, deps.silenceMs);

  const { readDescriptorSet } = deps;
  const json =
    readDescriptorSet === undefined || settings.json === undefined
      ? undefined
      : new JsonMethods(readDescriptorSet, (config) => control?.setExtension(config), log);

  const routeWaits = new RouteWaits(() => control);
  const begin = (state: MeshState) => {
    control = new Control(
      state,
      settings,
      {
        wanted: (target, thawing) => wants.add(target, thawing),
        heard: () => activation.leader !== undefined,
        mayHaveCalls: (stream, cluster) => drains?.mayHaveCalls(stream, cluster) ?? true,
        pushed: (cluster) => wakes.reached(cluster, "pushedMs"),
        released: (cluster) => wakes.released(cluster),
        behind: (target) => activation.behind(target),
        moved: () => {
          wants.settle();
          drains?.check();
          routeWaits.check();
          if (control !== undefined) direct.changed(control);
        },
        jsonAccepted: () => json?.accepted(),
        jsonRefused: (versions, message) => json?.refused(versions, message),
      },
      log,
    );
    drains = new Drains(
      control,
      loads,
      {
        drained: (target) => {
          activation.drained(target);
          control?.drained(target);
        },
        reopened: (target) => activation.reopened(target),
        left: (cluster) => directLoads.left(cluster),
      },
      deps.graceMs,
    );
    first.resolve(control);
    json?.meshChanged(state);
  };

  let newest: MeshState | undefined;
  let burst: NodeJS.Timeout | undefined;
  const apply = () => {
    burst = undefined;
    if (newest === undefined) return;
    const state = newest;
    newest = undefined;
    const beganMs = performance.now();
    control?.setState(state);
    json?.meshChanged(state);
    burst = setTimeout(apply, Math.max(LEAST_BURST_MS, BURST_SHARE * (performance.now() - beganMs)));
  };

  /** Looks again at what Envoys still use. */
  const check = () => {
    drains?.check();
    for (const stream of control?.streams ?? [])
      if (stream.subscriptions.cluster.brought.size > 0) stream.flush();
  };
  let toldMs = 0;
  let knownUntilMs = 0;
  const streams = envoyStreams({
    control: first.promise,
    loads,
    lost: () => {
      drains?.lost();
      routeWaits.check();
    },
    reported: () => {
      const nodes = [...(control?.streams ?? [])].map(({ node }) => node);
      const now = performance.now();
      // One that hangs must not keep what the others say from those who scale.
      if (nodes.length > 0 && (loads.complete(nodes) || now - toldMs > LONGEST_SILENCE_MS)) {
        toldMs = now;
        const taken = loads.take(nodes);
        // What is not known must not pass for silence: an Envoy that is away may serve calls all the same.
        if (drains?.settled) knownUntilMs = taken.untilMs;
        const told = { ...taken, untilMs: knownUntilMs };
        // Those that call past Envoy have a say like Envoys.
        const envoys = nodes.length + directLoads.size;
        activation.loads({ ...directLoads.join(told), envoys });
      }
      check();
    },
    log,
  });
  const direct = new DirectStreams(first.promise, directLoads, log);
  server.addService(EndpointsService, direct.service);
  server.addService(adsService, streams.ads);
  server.addService(lrsService, streams.lrs);
  const status = () => envoyStatus(control?.streams ?? [], id);
  const peers = deps.peers && new Peers(deps.peers);
  const watched = wakeWatch(wakes, peers);
  server.addService(MeshConfigService, {
    getStatus: answer(async ({ own = false }) => {
      const { services = [], gaps = [] } = json?.status ?? {};
      const others = own ? [] : ((await peers?.envoys()) ?? []);
      return { envoys: [...status(), ...others], jsonServices: services.length, jsonGaps: [...gaps] };
    }),
    listWakes: answer(async ({ service, limit, own = false }) => {
      const others = own ? [] : ((await peers?.wakes(service, limit)) ?? []);
      return { wakes: latest([...wakes.list(service, limit), ...others], limit) };
    }),
    watchWakes: watched.serve,
    awaitRoutes: routeWaits.serve,
  } satisfies MeshConfigServer);

  const checking = setInterval(() => {
    streams.pair();
    check();
    // The Envoys are all with other control planes, which must not wait for this one's word.
    if (control?.streams.size === 0 && drains?.settled) {
      const none = { loads: [], callers: [], untilMs: steadyMs() };
      activation.loads({ ...directLoads.join(none), envoys: directLoads.size });
    }
  }, CHECK_MS);

  return {
    wakes,
    status,
    meshChanged(state) {
      if (control === undefined) begin(state);
      else {
        newest = state;
        if (burst === undefined) apply();
      }
    },
    async close() {
      clearInterval(checking);
      clearTimeout(burst);
      json?.close();
      wants.close();
      activation.close();
      streams.end();
      direct.end();
      watched.end();
    },
  };
}

export interface StartOptions extends MeshConfigDeps {
  /** "host:port"; port 0: any free one. */
  readonly listen: string;
  /** Calls its argument with the first full state and with each newer one. @returns what ends it. */
  readonly watch: (onChange: (state: MeshState) => void) => () => void;
}

export interface MeshConfigProcess extends RunningMeshConfig {
  /** "host:port" that Envoys and the CLI dial. */
  readonly address: string;
}

/**
 * Starts a mesh-config on a server of its own.
 *
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE.
 */
export async function startMeshConfig(options: StartOptions): Promise<MeshConfigProcess> {
  const server = new Server(serverOptions);
  const running = await addMeshConfig(server, options);
  const stopWatching = options.watch((state) => running.meshChanged(state));
  try {
    const address = await listen(server, options.listen);
    return {
      ...running,
      address,
      async close() {
        stopWatching();
        await running.close();
        await new Promise<void>((resolve) => {
          // Streams that do not end by themselves are cut.
          const cut = setTimeout(() => server.forceShutdown(), 1_000);
          server.tryShutdown(() => {
            clearTimeout(cut);
            resolve();
          });
        });
      },
    };
  } catch (error) {
    stopWatching();
    await running.close();
    throw error;
  }
}
