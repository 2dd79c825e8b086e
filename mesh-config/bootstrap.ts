import { dirname } from "node:path";
import { controlPlaneAssignment } from "./control-plane-file.ts";
import { any, type JsonObject } from "./proto/json.ts";
import { envoyAddress } from "./resources/address.ts";
import { explainerListener } from "./resources/explainer.ts";
import { listenersMetadata, type OwnListeners } from "./resources/own-listeners.ts";
import { COLLECTOR_CLUSTER, CONTROL_PLANE_CLUSTER } from "./resources/settings.ts";

export interface BootstrapOptions {
  /** Different for each Envoy, stable over its restarts. */
  readonly nodeId: string;
  /**
   * "host:port" of each control plane, the preferred one first; or the file that names them
   * (control-plane-file.ts), whose changes Envoy follows.
   */
  readonly controlPlane: readonly string[] | { readonly file: string };
  /** "host:port" of Envoy's admin page; port 0: any. */
  readonly admin: string;
  /** OTLP/gRPC collector, "host:port" or "unix:/path". */
  readonly collector?: string;
  /** Where it listens; default: where the control plane's settings say. */
  readonly listeners?: OwnListeners;
  /** Zone of its host. Default: none. */
  readonly zone?: string;
  /** File to which it appends a line of JSON for each instance that it leaves out for its errors. Default: none. */
  readonly outlierLog?: string;
}

/** Name of the cluster of this very Envoy: where there is one, Envoy knows its own zone. */
const OWN_CLUSTER = "rouse_envoy";

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** What an Envoy must know before it has met the control plane: Envoy's configuration file, as JSON. */
export function envoyBootstrap(options: BootstrapOptions): JsonObject {
  const { nodeId, controlPlane, admin, collector, listeners, zone, outlierLog } = options;
  const locality = zone ? { locality: { zone } } : undefined;
  // The control plane is near: after its restart Envoys should be back at once.
  const retry_policy = { retry_back_off: { base_interval: "0.05s", max_interval: "1s" } };
  const grpc_services = [{ envoy_grpc: { cluster_name: CONTROL_PLANE_CLUSTER, retry_policy } }];
  const ads = { ads: {}, resource_api_version: "V3" };
  return {
    node: {
      id: nodeId,
      cluster: "rouse",
      ...(listeners && { metadata: listenersMetadata(listeners) }),
      ...locality,
    },
    admin: { address: envoyAddress(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: "V3",
        // It is 60 kB, for it names all of Envoy's extensions, and would come with every acknowledgement.
        set_node_on_first_message_only: true,
        grpc_services,
      },
      lds_config: ads,
      cds_config: ads,
    },
    cluster_manager: {
      ...(locality && { local_cluster_name: OWN_CLUSTER }),
      ...(outlierLog && { outlier_detection: { event_log_path: outlierLog } }),
      load_stats_config: { api_type: "GRPC", transport_api_version: "V3", grpc_services },
    },
    // A trace that a person waits for is there within a second; Envoy's default is 5 s.
    layered_runtime: {
      layers: [{ name: "static", static_layer: { "tracing.opentelemetry.flush_interval_ms": 1_000 } }],
    },
    // Listeners that only this Envoy's own clusters reach.
    bootstrap_extensions: [
      {
        name: "envoy.bootstrap.internal_listener",
        typed_config: any("envoy.extensions.bootstrap.internal_listener.v3.InternalListener"),
      },
    ],
    static_resources: {
      listeners: [explainerListener()],
      clusters: [
        controlPlaneCluster(controlPlane),
        ...(locality ? [ownCluster(admin, locality)] : []),
        ...(collector === undefined ? [] : [collectorCluster(collector)]),
      ],
    },
  };
}

/** No call goes there: it tells Envoy's load balancing where this Envoy stands. */
function ownCluster(address: string, locality: JsonObject): JsonObject {
  return {
    name: OWN_CLUSTER,
    type: "STATIC",
    load_assignment: {
      cluster_name: OWN_CLUSTER,
      endpoints: [{ ...locality, lb_endpoints: [{ endpoint: { address: envoyAddress(address) } }] }],
    },
  };
}

/**
 * Both of an Envoy's streams go to the first control plane that answers, and over to the next when it does not: each has a
 * priority of its own, and one failure puts it aside.
 */
function controlPlaneCluster(controlPlane: BootstrapOptions["controlPlane"]): JsonObject {
  const found =
    "file" in controlPlane
      ? {
          type: "EDS",
          eds_cluster_config: {
            service_name: CONTROL_PLANE_CLUSTER,
            eds_config: {
              path_config_source: {
                path: controlPlane.file,
                // The file is replaced as a whole.
                watched_directory: { path: dirname(controlPlane.file) },
              },
              resource_api_version: "V3",
            },
          },
        }
      : { type: "STATIC", load_assignment: controlPlaneAssignment(controlPlane) };
  return {
    name: CONTROL_PLANE_CLUSTER,
    ...found,
    connect_timeout: "1s",
    outlier_detection: {
      consecutive_5xx: 1,
      enforcing_success_rate: 0,
      interval: "1s",
      // Load reports come back 5 s after their stream broke, and must not go where the configuration does not come from.
      base_ejection_time: "6s",
      max_ejection_time: "6s",
      max_ejection_percent: 100,
    },
    // One that hangs, or whose host is cut off, is left within seconds.
    ...http2({ interval: "1s", timeout: "2.5s" }),
  };
}

function collectorCluster(collector: string): JsonObject {
  const address = envoyAddress(collectorAddress(collector));
  return {
    name: COLLECTOR_CLUSTER,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: COLLECTOR_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...http2({ interval: "10s", timeout: "5s" }),
  };
}

function http2(connection_keepalive: JsonObject): JsonObject {
  return {
    typed_extension_protocol_options: {
      [httpOptions]: any(httpOptions, {
        explicit_http_config: { http2_protocol_options: { connection_keepalive } },
      }),
    },
  };
}

/** Collectors are often written as URLs. */
function collectorAddress(address: string): string {
  return address.replace(/^http:\/\//, "").replace(/\/$/, "");
}
