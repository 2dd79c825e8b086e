import type { HostState } from "../../registry/hosts.ts";
import type { InstanceState, MeshState, VersionState } from "../../registry/state.ts";
import { heldAgainst } from "../health/host-keeper.ts";
import type { Starts } from "../starts.ts";
import type { HostFacts, HostMode, PlaceableHost } from "./host.ts";

/** What is known of hosts beside what Consul holds. */
export interface Experience {
  /** Versions ("service@version") that were made ready on the host. Default: none. */
  prepared?(host: string): ReadonlySet<string>;
}

interface Running {
  cpu: number;
  memory: number;
  gpu: number;
  readonly versions: Map<string, number>;
  readonly services: Map<string, number>;
  readonly repels: Map<string, string>;
}

/** The hosts with what runs there and what the starts under way were promised; also those that take no instance now. */
export function placeableHosts(
  hosts: readonly HostState[],
  mesh: MeshState,
  starts: Starts,
  experience: Experience = {},
): PlaceableHost[] {
  const running = new Map(hosts.map((host) => [host.host, nothing()]));
  const counted = new Set<string>();
  for (const service of mesh.services.values()) {
    for (const version of service.versions.values()) {
      for (const instance of version.instances) {
        counted.add(instance.id);
        add(running.get(instance.host), version, !leaves(instance));
      }
    }
  }
  for (const { instanceId, host, target } of starts.all()) {
    const version = mesh.services.get(target.service)?.versions.get(target.version);
    if (!counted.has(instanceId)) add(running.get(host), version, true);
  }
  return hosts.map((host) => {
    const { cpu, memory, gpu, versions, services, repels } = running.get(host.host) ?? nothing();
    const used = { cpu, memory, gpu };
    const facts = hostFacts(host, experience);
    // What is lost is being replaced: it is in nobody's way.
    return host.lost === undefined ? { ...facts, used, versions, services, repels } : { ...facts, used };
  });
}

/** A host's own facts, as placement needs them. */
export function hostFacts(host: HostState, experience: Experience): HostFacts {
  const prepared = experience.prepared?.(host.host);
  return {
    name: host.host,
    cpu: host.cpu,
    memory: host.memoryBytes,
    gpu: host.gpu,
    labels: host.labels,
    zone: host.zone,
    runtime: host.runtime,
    mode: modeOf(host),
    speed: host.speed,
    costPerHour: host.costPerHour,
    blame: heldAgainst(host.health),
    ...(prepared === undefined ? {} : { prepared }),
  };
}

function modeOf({ healthy, mode }: HostState): HostMode {
  return healthy ? mode.mode : "away";
}

/** Room that such an instance takes it takes until its end, but nobody need keep apart from it. */
function leaves({ draining, retiring }: InstanceState): boolean {
  return retiring === true || draining;
}

function nothing(): Running {
  return { cpu: 0, memory: 0, gpu: 0, versions: new Map(), services: new Map(), repels: new Map() };
}

function add(on: Running | undefined, version: VersionState | undefined, stays: boolean): void {
  if (on === undefined || version === undefined) return;
  const { resources, service, version: number, placement } = version.manifest;
  on.cpu += resources.cpu;
  on.memory += resources.memory;
  on.gpu += resources.gpu;
  if (!stays) return;
  const key = `${service}@${number}`;
  on.versions.set(key, (on.versions.get(key) ?? 0) + 1);
  on.services.set(service, (on.services.get(service) ?? 0) + 1);
  for (const other of repelledBy(placement)) on.repels.set(other, service);
}

/** The services that an instance with these rules must not have beside it. */
export function repelledBy(rules: VersionState["manifest"]["placement"]): string[] {
  return (rules?.antiAffinity ?? []).flatMap(({ strict, service }) =>
    strict && service !== undefined ? [service] : [],
  );
}
