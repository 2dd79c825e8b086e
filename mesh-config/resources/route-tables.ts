import type { MeshState } from "../../registry/state.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { unknownService } from "./reasons.ts";
import { answerWith, headerInput } from "./routes.ts";
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
  const prefixes = [...services].map(([service, matcher]) => [`/${service}/`, { matcher }] as const);
  return {
    name,
    virtual_hosts: [
      {
        name,
        domains: ["*"],
        matcher: {
          matcher_tree: {
            input: headerInput(":path"),
            // The map may not be empty: the one entry of a mesh without services is found by no gRPC path.
            prefix_match_map: {
              map: prefixes.length === 0 ? { "/-/": none } : Object.fromEntries(prefixes),
            },
          },
          on_no_match: none,
        },
        ...(name === EDGE_ROUTES && { typed_per_filter_config: cors(settings) }),
      },
    ],
    validate_clusters: false,
  };
}

function cors({ corsOrigins }: MeshSettings): JsonObject {
  const origins = corsOrigins?.map((exact) => ({ exact })) ?? [
    { safe_regex: { google_re2: {}, regex: ".*" } },
  ];
  return {
    "envoy.filters.http.cors": any("envoy.extensions.filters.http.cors.v3.CorsPolicy", {
      allow_origin_string_match: origins,
      allow_methods: "POST, OPTIONS",
      // The star is for metadata of the contracts' own; it covers all but authorization.
      allow_headers:
        "content-type, x-grpc-web, x-user-agent, grpc-timeout, rouse-version, traceparent, tracestate, authorization, *",
      expose_headers: "grpc-status, grpc-message, grpc-status-details-bin, *",
      max_age: "7200",
    }),
  };
}

export { EDGE_ROUTES, MESH_ROUTES };
