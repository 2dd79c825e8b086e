import type { MeshState } from "../../registry/state.ts";
import type { JsonObject } from "../proto/json.ts";
import { corsPolicy } from "./cors.ts";
import { unknownService } from "./reasons.ts";
import { action, answerWith, headerInput } from "./routes.ts";
import { EDGE_ROUTES, MESH_ROUTES, type MeshSettings } from "./settings.ts";

/** The match tree's node of each service, for a route table. */
export interface RouteTable {
  readonly name: string;
  readonly services: ReadonlyMap<string, JsonObject>;
}

/** Names of the services on a listener, sorted: on the edge those that have an external version. */
export function servicesOf(state: MeshState, table: string): string[] {
  const names = [...state.services]
    .filter(([, { versions }]) => versions.size > 0)
    .filter(
      ([, { versions }]) =>
        table !== EDGE_ROUTES ||
        [...versions.values()].some(({ manifest }) => manifest.exposure === "external"),
    )
    .map(([name]) => name);
  return names.sort();
}

/** A route table: one virtual host whose match tree finds the service by the path's first part. */
export function routeTable({ name, services }: RouteTable, settings: MeshSettings): JsonObject {
  const none = answerWith(unknownService([...services.keys()], name === EDGE_ROUTES));
  const entries = [...services].map(([service, matcher]) => [pathPrefix(service), { matcher }] as const);
  // The map may not be empty: the one entry of a mesh without services is found by no gRPC path.
  const map = entries.length === 0 ? { "/-/": none } : Object.fromEntries(entries);
  return { name, virtual_hosts: [virtualHost(name, map, none, settings)], validate_clusters: false };
}

/** How the paths of a service's methods begin. */
export function pathPrefix(service: string): string {
  return `/${service}/`;
}

/** @param map What each path prefix leads to. @param none What any other path leads to. */
export function virtualHost(
  name: string,
  map: JsonObject,
  none: JsonObject,
  settings: MeshSettings,
): JsonObject {
  const byService = {
    matcher_tree: { input: headerInput(":path"), prefix_match_map: { map } },
    on_no_match: none,
  };
  return {
    name,
    domains: ["*"],
    matcher: name === EDGE_ROUTES ? preflight(byService) : byService,
    ...(name === EDGE_ROUTES && { typed_per_filter_config: corsPolicy(settings) }),
  };
}

/**
 * A browser asks before its call, without the call's headers: the CORS filter answers, but only on a route to a cluster.
 * Which cluster does not matter; without an allowed origin nobody is there.
 */
function preflight(next: JsonObject): JsonObject {
  return {
    matcher_tree: {
      input: headerInput(":method"),
      exact_match_map: { map: { OPTIONS: action({ route: { cluster: "preflight" } }) } },
    },
    on_no_match: { matcher: next },
  };
}

export { EDGE_ROUTES, MESH_ROUTES };
