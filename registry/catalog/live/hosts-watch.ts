import { isDeepStrictEqual } from "node:util";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type {
  Host,
  HostInstance,
  WatchHostsRequest,
  WatchHostsResponse,
} from "#proto/rouse/catalog/v1/catalog.ts";
import { statusObject } from "../../../sdk/answer.ts";
import type { ConsulClient } from "../../consul.ts";
import type { MeshFollower } from "../../follower.ts";
import { type HostState, type HostsWatch, watchHosts } from "../../hosts.ts";
import type { MeshState } from "../../state.ts";
import { Outlet } from "./outlet.ts";

type Call = ServerWritableStream<WatchHostsRequest, WatchHostsResponse>;

/** Tells the hosts, and what their instances use, to those who watch. */
export class HostsFeed {
  readonly #mesh: MeshFollower;
  readonly #hosts: HostsWatch;
  readonly #outlets = new Set<Outlet<WatchHostsResponse>>();
  readonly #unsubscribe: () => void;
  #state: MeshState = { services: new Map() };
  #newest: WatchHostsResponse = { hosts: [] };
  #stale = true;

  constructor(consul: ConsulClient, mesh: MeshFollower, log: Logger) {
    this.#mesh = mesh;
    this.#hosts = watchHosts(consul, { log, onChange: () => this.#changed() });
    this.#unsubscribe = mesh.onChange((state) => {
      this.#state = state;
      this.#changed();
    });
  }

  /** Runtimes of the hosts there are, sorted. */
  runtimes(): string[] {
    return [...new Set([...this.#hosts.current().values()].map(({ runtime }) => runtime))].sort();
  }

  /** Serves one watcher until it goes. */
  async serve(call: Call): Promise<void> {
    const outlet = new Outlet<WatchHostsResponse>(call);
    try {
      await this.#mesh.state();
      await this.#hosts.ready;
      this.#outlets.add(outlet);
      let told: WatchHostsResponse | undefined;
      while (!outlet.gone) {
        const newest = this.#current();
        if (newest === told) await outlet.rest();
        else await outlet.write(newest);
        told = newest;
      }
    } catch (thrown) {
      call.emit("error", statusObject(thrown));
    } finally {
      this.#outlets.delete(outlet);
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#hosts.close();
    for (const outlet of this.#outlets) outlet.end();
  }

  #changed(): void {
    this.#stale = true;
    for (const outlet of this.#outlets) outlet.wake();
  }

  /** The same object as long as it says the same. */
  #current(): WatchHostsResponse {
    if (!this.#stale) return this.#newest;
    this.#stale = false;
    const next = { hosts: describeHosts(this.#hosts.current(), this.#state) };
    if (!isDeepStrictEqual(next, this.#newest)) this.#newest = next;
    return this.#newest;
  }
}

interface Use {
  cpu: number;
  memory: number;
  readonly running: HostInstance[];
}

/** Hosts by name, with what their instances use by their contracts. */
export function describeHosts(hosts: ReadonlyMap<string, HostState>, { services }: MeshState): Host[] {
  const used = new Map<string, Use>();
  for (const { versions } of services.values()) {
    for (const { manifest, instances, health } of versions.values()) {
      for (const { id, host, healthy, draining, standby } of instances) {
        const use: Use = used.get(host) ?? { cpu: 0, memory: 0, running: [] };
        used.set(host, use);
        const isFrozen = standby !== undefined;
        if (!isFrozen) {
          use.cpu += manifest.resources.cpu;
          use.memory += manifest.resources.memory;
        }
        const { service, version } = manifest;
        const { condition = "", reason: conditionReason = "" } = health?.instances[id] ?? {};
        const state = { healthy, draining, standby: isFrozen, condition, conditionReason };
        use.running.push({ id, service, version, ...state });
      }
    }
  }
  return [...hosts.values()]
    .sort((a, b) => (a.host < b.host ? -1 : 1))
    .map((host) => {
      const { runtime, cpu, memoryBytes, gpu, labels, healthy, reachable, zone, costPerHour, speed } = host;
      const use = used.get(host.host);
      const { mode, reason, atMs, deadlineMs = 0 } = host.mode;
      return {
        name: host.host,
        runtime,
        cpu,
        memoryBytes,
        gpu,
        labels: { ...labels },
        cpuUsed: use?.cpu ?? 0,
        memoryUsedBytes: use?.memory ?? 0,
        instances: use?.running.filter((one) => !one.standby).length ?? 0,
        standby: use?.running.filter((one) => one.standby).length ?? 0,
        healthy,
        reachable,
        zone,
        costPerHour,
        speed,
        mode: { mode, reason, atMs, deadlineMs },
        lostAtMs: host.lost?.atMs ?? 0,
        running: use?.running.sort((a, b) => (a.id < b.id ? -1 : 1)) ?? [],
        condition: host.health?.condition ?? "",
        conditionReason: host.health?.reason ?? "",
      };
    });
}
