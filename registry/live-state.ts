import semver from "semver";
import { type Service, State, type Version } from "#proto/rouse/registry/v1/registry.ts";
import type { ServiceState, VersionState } from "./state.ts";

/** A service as ListServices tells it: newest version first, tags by name. */
export function describeService(name: string, service: ServiceState): Service {
  return {
    name,
    versions: [...service.versions]
      .sort(([a], [b]) => semver.rcompare(a, b))
      .map(([version, state]) => describeVersion(version, state)),
    tags: [...service.tags]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tag, versions]) => ({ name: tag, versions: [...versions] })),
  };
}

function describeVersion(version: string, shown: VersionState): Version {
  const { manifest, deployment, activation, instances } = shown;
  const { state, reason } = liveState(shown);
  return {
    version,
    summary: manifest.summary,
    owner: manifest.owner,
    external: manifest.exposure === "external",
    state,
    reason,
    instances: instances.map(({ id, host, runtime, address, generation, standby }) => ({
      id,
      host,
      runtime,
      address,
      generation,
      standby: standby !== undefined,
    })),
    generation: activation.generation,
    registeredAtMs: deployment.registeredAtMs,
  };
}

/**
 * The state of a version as a whole, from what Consul holds: pending while it may not run, stopped and failed by the orchestrator's word, warm with an
 * instance that serves, starting with only such as do not serve yet, on standby with only frozen ones, else cold. Calls that are held before an agent has
 * registered anything are the orchestrator's knowledge, not Consul's: `rouse status` shows them.
 */
export function liveState({
  activation,
  instances,
  approval,
  barred,
}: Pick<VersionState, "activation" | "instances" | "approval" | "barred">): { state: State; reason: string } {
  if (barred === true) {
    const reason = approval === "denied" ? "It was denied approval to run." : "It awaits approval to run.";
    return { state: State.PENDING, reason };
  }
  if (activation.stopped !== undefined) return { state: State.STOPPED, reason: activation.stopped.reason };
  if (activation.failure !== undefined) {
    const { message, crashes } = activation.failure;
    return { state: crashes === undefined ? State.FAILED : State.CRASH_LOOPING, reason: message };
  }
  const taking = instances.filter(({ draining, standby }) => !draining && standby === undefined);
  if (taking.some(({ healthy }) => healthy)) return { state: State.WARM, reason: "" };
  if (taking.length > 0) return { state: State.STARTING, reason: "" };
  if (instances.some(({ standby }) => standby !== undefined)) return { state: State.STANDBY, reason: "" };
  return { state: State.COLD, reason: "" };
}
