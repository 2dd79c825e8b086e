import type { VersionManifest } from "../../registry/state.ts";
import { any, type JsonObject } from "../proto/json.ts";

const policies = "envoy.extensions.load_balancing_policies";
/** A newcomer's share at first. */
const FIRST_SHARE = 0.1;

/**
 * How Envoy chooses between a cluster's endpoints: fields of the cluster. Which endpoints stand in which group and what
 * the groups weigh is the endpoints' part (endpoints.ts).
 */
export function loadBalancing(manifest: VersionManifest): JsonObject {
  // A session's calls belong together, whatever else the contract says.
  if (manifest.sessionKey !== "") return { lb_policy: "RING_HASH" };
  const slow_start_config = slowStart(manifest.balancing?.slowStartMs ?? 0);
  const slow = slow_start_config && { slow_start_config };
  switch (manifest.loadBalancing) {
    case "round_robin":
    case "none":
    case "ring_hash":
      return { lb_policy: "ROUND_ROBIN", ...(slow && { round_robin_lb_config: slow }) };
    case "least_request":
    case "client":
      return { lb_policy: "LEAST_REQUEST", ...(slow && { least_request_lb_config: slow }) };
    case "locality_weighted":
      return {
        lb_policy: "ROUND_ROBIN",
        ...(slow && { round_robin_lb_config: slow }),
        common_lb_config: { locality_weighted_lb_config: {} },
      };
    case "zone_aware":
      return { load_balancing_policy: { policies: [{ typed_extension_config: nearestZone(slow) }] } };
  }
}

/**
 * All calls stay in the Envoy's own zone as long as that has an instance. Envoy's usual way evens out what zones send and
 * get, for which each Envoy would have to know all others.
 */
function nearestZone(slow: JsonObject | undefined): JsonObject {
  const zone_aware_lb_config = {
    routing_enabled: { value: 100 },
    min_cluster_size: 1,
    force_local_zone: { min_size: 1 },
    // How other zones share what has none of its own: by number, one on probation would get as much as any.
    locality_basis: "HEALTHY_HOSTS_WEIGHT",
  };
  return {
    name: "envoy.load_balancing_policies.round_robin",
    typed_config: any(`${policies}.round_robin.v3.RoundRobin`, {
      ...slow,
      locality_lb_config: { zone_aware_lb_config },
    }),
  };
}

function slowStart(ms: number): JsonObject | undefined {
  if (ms === 0) return undefined;
  // With less, a version that gets few calls would never warm its newcomer.
  return { slow_start_window: `${ms / 1_000}s`, min_weight_percent: { value: 100 * FIRST_SHARE } };
}
