import type { HostState } from "../../../registry/hosts.ts";
import type { PlacementRules } from "../../../registry/placement-rules.ts";
import type { PlaceableHost } from "../host.ts";
import type { Needs } from "../needs.ts";

export const gib = 2 ** 30;

/** An empty host of 4 cores and 8 GiB, but for what is given. */
export function host(name: string, over: Partial<PlaceableHost> = {}): PlaceableHost {
  return { name, cpu: 4, memory: 8 * gib, gpu: 0, labels: {}, used: { cpu: 0, memory: 0, gpu: 0 }, ...over };
}

/** A host that gives some of its cores and memory away; shares from 0 to 1. */
export function filled(
  name: string,
  cpu: number,
  memory = cpu,
  over: Partial<PlaceableHost> = {},
): PlaceableHost {
  return host(name, { used: { cpu: 4 * cpu, memory: 8 * gib * memory, gpu: 0 }, ...over });
}

/** A host that runs so many instances of a version. */
export function running(
  name: string,
  service: string,
  count: number,
  over: Partial<PlaceableHost> = {},
): PlaceableHost {
  const versions = new Map([[`${service}@1.0.0`, count]]);
  return host(name, { versions, services: new Map([[service, count]]), ...over });
}

/** One more instance of a.v1.Service 1.0.0, half a core and 256 MiB. */
export function needs(over: Partial<Needs> = {}): Needs {
  return {
    cpu: 0.5,
    memory: gib / 4,
    gpu: 0,
    labels: {},
    service: "a.v1.Service",
    version: "1.0.0",
    ...over,
  };
}

export function rules(over: Partial<PlacementRules> = {}): PlacementRules {
  return { spread: [], affinity: [], antiAffinity: [], ...over };
}

/** The same as Consul shows it. */
export function hostState(host: string, over: Partial<HostState> = {}): HostState {
  return {
    host,
    address: "127.0.0.1:1",
    runtime: "process",
    cpu: 4,
    memoryBytes: 8 * gib,
    gpu: 0,
    labels: {},
    zone: "",
    costPerHour: 0,
    speed: 1,
    healthy: true,
    reachable: true,
    mode: { mode: "active", reason: "", atMs: 0 },
    ...over,
  };
}
