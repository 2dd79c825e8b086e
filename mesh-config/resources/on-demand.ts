import { any, type JsonObject } from "../proto/json.ts";
import type { MeshSettings } from "./settings.ts";

/** How long a call waits for a control plane when its caller names no earlier deadline, ms. */
const LONGEST_HOLD_MS = 3_600_000;

const names = ["envoy.filters.http.on_demand", "envoy.filters.http.on_demand.again"];
const type = "envoy.extensions.filters.http.on_demand.v3";

/**
 * Hold calls to clusters that are not there, and ask for them. How long a start may take is the control plane's matter: it
 * answers in any case, and where none is there, calls wait for one until their own deadline.
 *
 * There are two, because Envoy 1.40 takes a cluster for missing when nobody has answered the first subscription to it for 15 s, whatever
 * the configuration says (its XdstpOdCdsApiImpl gives the subscription a configuration of its own). The second one then waits for the
 * same subscription, by this time alone.
 */
export function onDemand({ longestHoldMs = LONGEST_HOLD_MS }: MeshSettings): JsonObject[] {
  const source = { ads: {}, resource_api_version: "V3" };
  const odcds = { source, timeout: `${longestHoldMs / 1_000}s` };
  return names.map((name) => ({ name, typed_config: any(`${type}.OnDemand`, { odcds }) }));
}

/** Of a route: the cluster is not waited for. */
export const notHeld: JsonObject = Object.fromEntries(
  names.map((name) => [name, any(`${type}.PerRouteConfig`)]),
);
