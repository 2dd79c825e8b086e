/** What an administrator chooses of Envoy's configuration. */
export interface MeshSettings {
  /** Listener for the world: "host:port". */
  readonly edge: string;
  /** Listener for calls between services: "host:port". */
  readonly mesh: string;
  /** The same on a unix socket, for services in containers; mode 0777, so keep it in a private folder. */
  readonly meshSocket?: string;
  /** Web origins that may call the edge, such as "https://genome.example"; default: any. */
  readonly corsOrigins?: readonly string[];
  /** The registry's gRPC services, "host:port"; without it they are not called through Envoy. */
  readonly registry?: string;
  /** The server of orders, "host:port"; without it there are no async calls. */
  readonly orders?: string;
  /** HTTP side of orders (contents of artifacts), "host:port". */
  readonly ordersHttp?: string;
  /** The registry's HTTP side (site, MCP, OpenAPI), "host:port"; without it the edge has no pages. */
  readonly registryHttp?: string;
  /** Instances run on other hosts, too, and are reached over a network that may be cut. */
  readonly severalHosts?: true;
  /** Longest time that a call to a cold version waits in Envoy where no control plane answers, ms. Default: an hour. */
  readonly longestHoldMs?: number;
  /** The edge takes calls in JSON over HTTP. */
  readonly json?: true;
  /** Set when the bootstrap has a collector: the share of calls without a traceparent for which Envoy begins a trace, 0 to 1. */
  readonly tracing?: { readonly samplingRatio: number };
}

/** Name of the static cluster of the trace collector in the bootstrap. */
export const COLLECTOR_CLUSTER = "otlp_collector";
/** Name of the static cluster of the control plane in the bootstrap. */
export const CONTROL_PLANE_CLUSTER = "control_plane";

/** Names of the registry's two clusters. */
export const REGISTRY_CLUSTER = "rouse_registry";
export const REGISTRY_HTTP_CLUSTER = "rouse_registry_http";

/** Names of the two clusters of orders. */
export const ORDERS_CLUSTER = "rouse_orders";
export const ORDERS_HTTP_CLUSTER = "rouse_orders_http";

/** Names of the two route tables: of the edge listener, and of those for calls between services. */
export const EDGE_ROUTES = "edge";
export const MESH_ROUTES = "mesh";
