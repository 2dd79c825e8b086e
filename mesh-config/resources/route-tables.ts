import type { MeshState } from "../../registry/state.ts";
import { HOPS_HEADER } from "../../sdk/server/sessions/key.ts";
import { CALLER_HEADER } from "../../sdk/usage/caller.ts";
import type { JsonObject } from "../proto/json.ts";
import { collectorRoutes } from "./collector-route.ts";
import { endpointsRoute } from "./endpoints-route.ts";
import { unknownService } from "./reasons.ts";
import { beforeServices, ownService, registryRoutes } from "./registry-routes.ts";
import { unanswered } from "./retries.ts";
import { answerWith, headerInput } from "./routes.ts";
import { EDGE_ROUTES, type MeshSettings } from "./settings.ts";

/** The match tree's node of each service, for a route table. */
export interface RouteTable {
  readonly name: string;
  readonly services: ReadonlyMap<string, JsonObject>;
}

/** Names of the services on a listener, sorted: on the edge those that have an external version. */
export function servicesOf(state: MeshState, table: string): string[] {
  const names = [...state.services]
    .filter(([name, { versions }]) => versions.size > 0 && !ownService(name))
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
  const none = unknown(name, [...services.keys()]);
  const entries: (readonly [string, JsonObject])[] = [
    ...[...services].map(([service, matcher]) => [pathPrefix(service), { matcher }] as const),
    ...fixedRoutes(name, settings),
  ];
  // The map may not be empty: the one entry of a mesh without services is found by no gRPC path.
  const map = entries.length === 0 ? { "/-/": none } : Object.fromEntries(entries);
  const byService = { matcher_tree: { input: pathInput, prefix_match_map: { map } }, on_no_match: none };
  const matcher = beforeServices(name, settings).reduceRight<JsonObject>(
    (inner, outer) => ({ ...outer, on_no_match: { matcher: inner } }),
    byService,
  );
  return { name, virtual_hosts: [{ ...virtualHost(name), matcher }], validate_clusters: false };
}

/** Entries of the tree over paths that are no registered services. */
export function fixedRoutes(table: string, settings: MeshSettings): [string, JsonObject][] {
  return [...registryRoutes(table, settings), ...collectorRoutes(table, settings), ...endpointsRoute(table)];
}

/** What the match tree looks at to find the service. */
export const pathInput = headerInput(":path");

/** How the paths of a service's methods begin. */
export function pathPrefix(service: string): string {
  return `/${service}/`;
}

/** What calls get whose path begins with no service's name. */
export function unknown(table: string, services: readonly string[]): JsonObject {
  return answerWith(unknownService(services, table === EDGE_ROUTES));
}

/** The table's virtual host, but for its match tree. */
export function virtualHost(table: string): JsonObject {
  const edge = table === EDGE_ROUTES;
  return {
    name: table,
    domains: ["*"],
    retry_policy: unanswered,
    // What services say of themselves nobody outside may say.
    ...(edge && { request_headers_to_remove: [CALLER_HEADER, HOPS_HEADER] }),
  };
}
