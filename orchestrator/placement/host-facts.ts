import type { HostState } from "../../registry/hosts.ts";
import type { HostFacts, HostMode } from "./host.ts";

const NONE: ReadonlySet<string> = new Set();

/**
 * A host's own facts, as placement needs them, for instances of services and for jobs alike.
 *
 * @param prepared Bundles and images that are there already. Default: nobody knows of any.
 */
export function hostFacts(host: HostState, prepared: ReadonlySet<string> = NONE): HostFacts {
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
    blame: blameOf(host),
    prepared,
  };
}

function modeOf({ healthy, mode }: HostState): HostMode {
  return healthy ? mode.mode : "away";
}

/** A host that is quarantined is used only where no other fits; one on probation is tried where it is much better. */
function blameOf({ health }: HostState): number {
  switch (health?.condition) {
    case "quarantined":
    case "retired":
      return 1;
    case "probation":
      return 0.3;
    case "suspect":
      return 0.15;
    default:
      return 0;
  }
}
