import { jsonOn } from "../json/filter.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { envoyAddress } from "./address.ts";
import { answersToBrowsers, corsPolicy } from "./cors.ts";
import { ENDPOINTS_SERVICE } from "./endpoints-route.ts";
import { notHeld } from "./on-demand.ts";
import { unheard } from "./retries.ts";
import { action, headerInput } from "./routes.ts";
import {
  EDGE_ROUTES,
  type MeshSettings,
  ORDERS_CLUSTER,
  ORDERS_HTTP_CLUSTER,
  REGISTRY_CLUSTER,
  REGISTRY_HTTP_CLUSTER,
} from "./settings.ts";
import { grpcWebRoute, NOBODY_CLUSTER } from "./web.ts";

/** Packages of the mesh's own services that are called through Envoy; nobody else may register in them. */
const PACKAGES = ["rouse.registry.v1", "rouse.catalog.v1", "rouse.usage.v1"] as const;
const ORDERS_PACKAGE = "rouse.orders.v1";
/** Paths of contents of artifacts, which go by plain HTTP. */
const CONTENT_PREFIX = "/content/";

/** Says the registry's HTTP side that a request came through the edge, from anybody. */
export const EDGE_HEADER = "x-rouse-edge";

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/** Streams of the registry last, and follow what happens. */
const unlimited = {
  timeout: "0s",
  max_stream_duration: { max_stream_duration: "0s", grpc_timeout_header_max: "0s" },
  retry_policy: unheard,
};

/** True for a service of the mesh itself. */
export function ownService(name: string): boolean {
  return (
    name === ENDPOINTS_SERVICE || [...PACKAGES, ORDERS_PACKAGE].some((own) => name.startsWith(`${own}.`))
  );
}

/**
 * Entries of a table's tree over paths: the gRPC services of the registry and of orders, on every listener; and contents of artifacts,
 * which have to pass what stands before the tree on the edge.
 */
export function registryRoutes(
  table: string,
  { registry, orders, ordersHttp }: MeshSettings,
): [string, JsonObject][] {
  const out: [string, JsonObject][] = [];
  if (registry !== undefined) {
    const node = action({ route: { cluster: REGISTRY_CLUSTER, ...unlimited } });
    out.push(...PACKAGES.map((own): [string, JsonObject] => [`/${own}.`, node]));
  }
  if (orders !== undefined) {
    const route = { cluster: ORDERS_CLUSTER, ...unlimited };
    const outside = table === EDGE_ROUTES ? { request_headers_to_add: [throughTheEdge] } : {};
    out.push([`/${ORDERS_PACKAGE}.`, action({ route, ...outside })]);
  }
  if (ordersHttp !== undefined && table !== EDGE_ROUTES)
    out.push([CONTENT_PREFIX, action({ route: { cluster: ORDERS_HTTP_CLUSTER, ...unlimited } })]);
  return out;
}

const throughTheEdge: JsonObject = {
  header: { key: EDGE_HEADER, value: "1" },
  append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
};

/** The clusters of the registry and of orders: they are always there, and are no version's. */
export function registryClusters(settings: MeshSettings): Map<string, JsonObject> {
  const { registry, registryHttp, orders, ordersHttp } = settings;
  const out = new Map<string, JsonObject>();
  const http2 = { http2_protocol_options: { connection_keepalive: { interval: "10s", timeout: "5s" } } };
  if (registry !== undefined) out.set(REGISTRY_CLUSTER, cluster(REGISTRY_CLUSTER, registry, http2));
  if (orders !== undefined) out.set(ORDERS_CLUSTER, cluster(ORDERS_CLUSTER, orders, http2));
  const http1 = { http_protocol_options: {} };
  if (registryHttp !== undefined)
    out.set(REGISTRY_HTTP_CLUSTER, cluster(REGISTRY_HTTP_CLUSTER, registryHttp, http1));
  if (ordersHttp !== undefined) out.set(ORDERS_HTTP_CLUSTER, cluster(ORDERS_HTTP_CLUSTER, ordersHttp, http1));
  return out;
}

function cluster(name: string, address: string, explicit_http_config: JsonObject): JsonObject {
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(address) } }] }],
    },
    typed_extension_protocol_options: { [httpOptions]: any(httpOptions, { explicit_http_config }) },
  };
}

/**
 * What stands before a table's tree over paths, outermost first: on the edge, what is no gRPC call never reaches it, so
 * that no crawler wakes a service. Calls in JSON and by gRPC-web are gRPC calls by then: their filters come before the router.
 */
export function beforeServices(table: string, settings: MeshSettings): JsonObject[] {
  if (table !== EDGE_ROUTES) return [];
  const web = {
    predicate: { not_matcher: contentType("application/grpc") },
    on_match: {
      matcher: { matcher_tree: preflights(settings), on_no_match: { matcher: webMatcher(settings) } },
    },
  };
  const grpcWeb = {
    predicate: contentType("application/grpc-web"),
    on_match: action(grpcWebRoute(settings)),
  };
  return [{ matcher_list: { matchers: [web, grpcWeb] } }];
}

function contentType(prefix: string): JsonObject {
  return { single_predicate: { input: headerInput("content-type"), value_match: { prefix } } };
}

/**
 * A browser asks before its call, without the call's headers: the CORS filter answers, but only on a route to a cluster.
 * Which cluster does not matter; without an allowed origin nobody is there, and nobody is waited for.
 */
function preflights(settings: MeshSettings): JsonObject {
  const typed_per_filter_config = { ...notHeld, ...corsPolicy(settings) };
  const map = { OPTIONS: action({ route: { cluster: NOBODY_CLUSTER }, typed_per_filter_config }) };
  return { input: headerInput(":method"), exact_match_map: { map } };
}

/** Requests that are no gRPC calls: contents of artifacts, and all that is the registry's. */
function webMatcher(settings: MeshSettings): JsonObject {
  const { ordersHttp } = settings;
  const registrys = registrysMatcher(settings);
  if (ordersHttp === undefined) return registrys;
  const content = action({
    route: { cluster: ORDERS_HTTP_CLUSTER, ...unlimited },
    typed_per_filter_config: { ...answersToBrowsers(), ...corsPolicy(settings) },
    request_headers_to_add: [throughTheEdge],
  });
  const paths = { input: headerInput(":path"), prefix_match_map: { map: { [CONTENT_PREFIX]: content } } };
  return { matcher_tree: paths, on_no_match: { matcher: registrys } };
}

/** Pages, MCP, OpenAPI. */
function registrysMatcher(settings: MeshSettings): JsonObject {
  const { registryHttp, json } = settings;
  // Which filters a call passes is settled by the route that it has at first; JSON finds its service's later.
  const typed_per_filter_config = { ...answersToBrowsers(), ...corsPolicy(settings), ...(json && jsonOn()) };
  const nothing = action({ ...noSuchMethod, typed_per_filter_config });
  if (registryHttp === undefined) return { on_no_match: nothing };
  const site = action({
    route: { cluster: REGISTRY_HTTP_CLUSTER, ...unlimited },
    typed_per_filter_config,
    request_headers_to_add: [throughTheEdge],
  });
  const pages = { input: headerInput(":method"), exact_match_map: { map: { GET: site, HEAD: site } } };
  const paths = { input: headerInput(":path"), prefix_match_map: { map: { "/mcp": site } } };
  return {
    matcher_tree: pages,
    on_no_match: { matcher: { matcher_tree: paths, on_no_match: nothing } },
  };
}

/** What a request in JSON gets whose path no external service's method has. */
const noSuchMethod: JsonObject = {
  direct_response: {
    status: 404,
    body: {
      inline_string: JSON.stringify({
        code: 5,
        message:
          "No method of an external service has this path. In JSON a method is POST /package.Service/Method, or what its " +
          "contract says by google.api.http; /openapi lists them.",
        details: [],
      }),
    },
  },
  response_headers_to_add: [
    {
      header: { key: "content-type", value: "application/json" },
      append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
    },
  ],
};
