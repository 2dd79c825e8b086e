import type { InstanceState, VersionState } from "../../registry/state.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { StatusName } from "../../sdk/status.ts";
import type { Endpoint } from "./endpoints.ts";
import { startFailed, stopped } from "./reasons.ts";

/** What this control plane knows of a version's current generation ahead of Consul. */
export interface Extras {
  /** Instances that the orchestrator said are ready, or that are thawed just now. */
  readonly ready: readonly Endpoint[];
  /** Envoys have its cluster: it stays, even without endpoints, until the generation moves on. */
  readonly kept: boolean;
  /** No word came in time for calls that are held. */
  readonly silence?: RouseError;
  /** Generations whose instances were taken over, and which calls still use. */
  readonly former?: readonly FormerGeneration[];
}

export interface FormerGeneration {
  readonly generation: number;
  readonly endpoints: readonly Endpoint[];
}

export const noExtras: Extras = { ready: [], kept: false };

/** What a generation's cluster is; a cold one has none. */
export type ClusterPlan = { readonly generation: number } & (
  | { readonly kind: "warm"; readonly endpoints: readonly Endpoint[] }
  | { readonly kind: "explain"; readonly error: RouseError }
);

/** The clusters that a version has now: of its current generation and of those which drain. */
export function planClusters(service: string, state: VersionState, extras: Extras): ClusterPlan[] {
  const plans: ClusterPlan[] = [];
  const current = state.activation.generation;
  const byGeneration = new Map<number, Endpoint[]>([[current, [...extras.ready]]]);
  const quarantined = new Map<number, Endpoint[]>();
  for (const instance of state.instances) {
    const { id, generation, healthy, standby } = instance;
    // Nobody is sent to one that is frozen, unless it is being thawed: then it stands in the extras.
    if (standby !== undefined) continue;
    const list = byGeneration.get(generation) ?? [];
    byGeneration.set(generation, list);
    // An unhealthy one keeps its generation's cluster, but gets no calls.
    if (!healthy || list.some((endpoint) => endpoint.id === id)) continue;
    const condition = state.health?.instances[id]?.condition;
    if (condition === "quarantined" || condition === "retired") {
      quarantined.set(generation, [...(quarantined.get(generation) ?? []), endpointOf(instance)]);
    } else if (condition === "probation") list.push({ ...endpointOf(instance), onProbation: true });
    else list.push(endpointOf(instance));
  }
  for (const [generation, out] of quarantined) {
    // Calls that one may answer badly are better than calls that nobody answers.
    const list = byGeneration.get(generation) ?? [];
    if (list.every(({ draining }) => draining)) list.push(...out);
  }
  for (const [generation, endpoints] of byGeneration) {
    if (generation !== current) plans.push({ generation, kind: "warm", endpoints });
  }
  for (const { generation, endpoints } of extras.former ?? []) {
    if (!byGeneration.has(generation)) plans.push({ generation, kind: "warm", endpoints });
  }
  // The routes themselves answer for what may not run. Its generation keeps a name that no Envoy knows: the first call after the
  // approval asks for it.
  if (state.barred === true) return plans;
  const endpoints = byGeneration.get(current) ?? [];
  const error = endpoints.length > 0 ? undefined : explanation(service, state, extras);
  if (error !== undefined) plans.push({ generation: current, kind: "explain", error });
  else if (endpoints.length > 0 || extras.kept) plans.push({ generation: current, kind: "warm", endpoints });
  return plans;
}

export function endpointOf({
  id,
  address,
  draining,
  host,
  zone,
  speed,
  startedAtMs,
}: InstanceState): Endpoint {
  return {
    id,
    address,
    draining,
    host,
    ...(zone !== undefined && { zone }),
    ...(speed !== undefined && { speed }),
    ...(startedAtMs !== undefined && { startedAtMs }),
  };
}

/** Why the current generation has no endpoint, when there is a reason that callers should hear. */
function explanation(
  service: string,
  { manifest, activation }: VersionState,
  extras: Extras,
): RouseError | undefined {
  const { version } = manifest;
  if (activation.stopped !== undefined) return stopped(service, version, activation.stopped.reason);
  if (activation.failure !== undefined) {
    const { status, message, retryAtMs } = activation.failure;
    return new RouseError(status as StatusName, startFailed(service, version, message), {
      reason: "START_FAILED",
      metadata: { service, version, retryAtMs: String(retryAtMs) },
    });
  }
  return extras.silence;
}
