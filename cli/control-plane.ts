import { once } from "node:events";
import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import type { MeshSettings } from "../mesh-config/resources/settings.ts";
import { addMeshConfig, serverOptions } from "../mesh-config/server.ts";
import { instanceLimits } from "../orchestrator/health/machine.ts";
import { checkLeader } from "../orchestrator/peers.ts";
import { addOrchestrator, LEADER_KEY } from "../orchestrator/server.ts";
import { ConsulClient } from "../registry/consul.ts";
import { controlPlaneMeta, watchControlPlanes } from "../registry/control-planes.ts";
import { readDescriptorSet } from "../registry/get-manifest.ts";
import { watchLeader } from "../registry/leader.ts";
import { watchMesh } from "../registry/watch.ts";
import { listen } from "../sdk/grpc.ts";
import { makeLog } from "../sdk/log.ts";
import { flushSpans } from "../sdk/tracing/index.ts";
import type { HealthFlags } from "./health-flags.ts";

export interface ControlPlaneOptions {
  /** Stable over restarts and different from all others. */
  readonly id: string;
  /** Name of this host in the mesh. */
  readonly host: string;
  /** Id of a control plane in whose place this one runs; default: its own. */
  readonly replaces?: string;
  /** "host:port"; port 0: any. */
  readonly listen: string;
  readonly consul: string;
  /** Folder for what outlives the process; undefined: nothing does. */
  readonly dataDir?: string;
  readonly settings: MeshSettings;
  /** How long instances that are not well are kept from calls. */
  readonly health: HealthFlags;
}

/** Where nobody else reaches the control plane, there is no other host. */
function isLoopback(address: string): boolean {
  return /^(127\.|localhost:|\[::1\]:)/.test(address);
}

/** How long calls in progress may take at the end, ms; Envoys' streams end before. */
const DRAIN_MS = 1_000;

/**
 * Serves Envoys and orchestrates in one process until SIGTERM or SIGINT.
 *
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE, CONSUL_ADDRESS_INVALID.
 */
export async function runControlPlane(options: ControlPlaneOptions): Promise<void> {
  const { id, settings } = options;
  const meta = controlPlaneMeta({ host: options.host, slot: options.replaces ?? id });
  const log = makeLog("control-plane", 1);
  const signal = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  const consul = new ConsulClient({ address: options.consul });
  const server = new Server(serverOptions);
  const planes = watchControlPlanes(consul, { onChange: () => undefined });
  let leader: string | undefined;
  const meshConfig = await addMeshConfig(server, {
    id,
    settings: isLoopback(options.listen) ? settings : { ...settings, severalHosts: true },
    readDescriptorSet: (service, version) => readDescriptorSet(consul, service, version),
    followLeader: (onChange) =>
      watchLeader(consul, LEADER_KEY, (now) => {
        leader = now?.address;
        onChange(leader);
      }),
    peers: () =>
      planes
        .planes()
        .filter((plane) => plane.healthy && plane.id !== id)
        .map((plane) => plane.address),
    onLeaderBroken: (address) => void checkLeader(consul, LEADER_KEY, address, log),
    log: log.child({ part: "mesh-config" }),
  });
  const orchestrator = addOrchestrator(server, {
    id,
    consul,
    mesh: () => mesh.current(),
    controlPlanes: () => planes.planes(),
    leader: () => leader,
    healthLimits: instanceLimits(options.health.quarantine, options.health.probation),
    ...(options.dataDir && { loadsFile: join(options.dataDir, "loads", `${id}.sqlite`) }),
    log: log.child({ part: "orchestrator" }),
  });
  const mesh = watchMesh(consul, {
    log: log.child({ part: "watch" }),
    onChange: (state) => {
      // The orchestrator's answers must not wait for the mapping to Envoy's resources.
      orchestrator.meshChanged();
      meshConfig.meshChanged(state);
    },
  });
  try {
    const address = await listen(server, options.listen);
    log.info({ address }, "control plane listens");
    const ready = mesh.ready.then(() => orchestrator.campaign(address, meta));
    await Promise.race([signal, ready.then(() => signal)]);
  } finally {
    mesh.close();
    planes.close();
    await orchestrator.close();
    await meshConfig.close();
    const cut = setTimeout(() => server.forceShutdown(), DRAIN_MS);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(cut);
    await flushSpans(DRAIN_MS);
    consul.close();
  }
}
