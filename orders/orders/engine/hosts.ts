import type { PlaceableHost } from "../../../orchestrator/placement/host.ts";
import { hostFacts } from "../../../orchestrator/placement/host-facts.ts";
import type { HostState } from "../../../registry/hosts.ts";
import type { MeshState } from "../../../registry/state.ts";
import type { JobRoom } from "../store/new-order.ts";

/** Hosts as placement sees them: what instances of services take there, and jobs. */
export function placeableHosts(
  hosts: ReadonlyMap<string, HostState>,
  state: MeshState,
  jobs: readonly { readonly host: string; readonly room: JobRoom }[],
): PlaceableHost[] {
  const used = new Map<string, { cpu: number; memory: number; gpu: number }>();
  const take = (host: string, { cpu, memory, gpu }: Omit<JobRoom, "labels">) => {
    const known = used.get(host) ?? { cpu: 0, memory: 0, gpu: 0 };
    used.set(host, { cpu: known.cpu + cpu, memory: known.memory + memory, gpu: known.gpu + gpu });
  };
  for (const { versions } of state.services.values())
    for (const { manifest, instances } of versions.values())
      for (const { host, standby } of instances) if (standby === undefined) take(host, manifest.resources);
  for (const { host, room } of jobs) take(host, room);
  return [...hosts.values()].map((host) => ({
    ...hostFacts(host),
    used: used.get(host.host) ?? { cpu: 0, memory: 0, gpu: 0 },
  }));
}
