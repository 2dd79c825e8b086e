import { RouseError } from "../../sdk/errors.ts";
import { jsonFilter } from "../json/filter.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { envoyAddress } from "./address.ts";
import { details, header } from "./answer.ts";
import { corsOfAnswers } from "./cors.ts";
import { filter } from "./filters.ts";
import { onDemand } from "./on-demand.ts";
import { COLLECTOR_CLUSTER, EDGE_ROUTES, MESH_ROUTES, type MeshSettings } from "./settings.ts";
import { webFilters } from "./web.ts";

/** The listeners of every Envoy, by name. */
export function listeners(settings: MeshSettings): Map<string, JsonObject> {
  const out = new Map([
    ["edge", listener("edge", envoyAddress(settings.edge), manager("edge", EDGE_ROUTES, settings))],
    ["mesh", listener("mesh", envoyAddress(settings.mesh), manager("mesh", MESH_ROUTES, settings))],
  ]);
  if (settings.meshSocket !== undefined) {
    const address = envoyAddress(`unix:${settings.meshSocket}`, 0o777);
    out.set("mesh-socket", listener("mesh-socket", address, manager("mesh", MESH_ROUTES, settings)));
  }
  return out;
}

function listener(name: string, address: JsonObject, http: JsonObject): JsonObject {
  return {
    name,
    address,
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: http }] },
    ],
    per_connection_buffer_limit_bytes: 1 << 20,
  };
}

function manager(prefix: string, routes: string, settings: MeshSettings): JsonObject {
  const edge = prefix === "edge";
  return any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", {
    stat_prefix: prefix,
    // Browsers bring HTTP/1.1 as well, and so do contents of artifacts.
    codec_type: "AUTO",
    rds: { route_config_name: routes, config_source: { ads: {}, resource_api_version: "V3" } },
    http_filters: [
      ...(edge ? [corsOfAnswers(settings), ...webFilters()] : []),
      // After gRPC-web's, which makes gRPC of its calls; before the route is looked up.
      ...(edge && settings.json ? [jsonFilter()] : []),
      ...onDemand(settings),
      // Counters by status for each generation of each version would pile up, and cost every call.
      filter("router", "router.v3.Router", { suppress_envoy_headers: true, dynamic_stats: false }),
    ],
    http2_protocol_options: {
      // A service may call itself a thousand levels deep over the one connection of its instance: a limit would keep the deepest
      // call waiting for those that wait for it.
      max_concurrent_streams: edge ? 1_000 : 1_000_000,
      initial_stream_window_size: 1 << 20,
      initial_connection_window_size: 16 << 20,
    },
    local_reply_config: { mappers: [unanswered()] },
    // A stream may be silent for as long as it likes: deadlines are the contract's and the caller's.
    stream_idle_timeout: "0s",
    use_remote_address: edge,
    server_header_transformation: "PASS_THROUGH",
    // Calls are followed by their traceparent.
    generate_request_id: false,
    request_id_extension: {
      typed_config: any("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", {
        use_request_id_for_trace_sampling: false,
      }),
    },
    ...(settings.tracing && { tracing: tracing(prefix, settings.tracing.samplingRatio) }),
    ...(settings.tracing?.samplingRatio === 0 && { early_header_mutation_extensions: [noSpan] }),
  });
}

/** What callers hear whose subscription to a cold version nobody answered: without it they get an empty message. */
function unanswered(): JsonObject {
  const error = new RouseError(
    "UNAVAILABLE",
    'No instance got ready in time, and no control plane gave a reason. Call again, for it may be on its way; "rouse status" shows whether a control plane is there.',
    { reason: "START_UNANSWERED" },
  );
  return {
    // "No cluster found".
    filter: { response_flag_filter: { flags: ["NC"] } },
    // For a gRPC call it becomes the message.
    body_format_override: { text_format_source: { inline_string: error.message } },
    headers_to_add: [header("grpc-status-details-bin", details(error))],
  };
}

const earlyMutation = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";

/**
 * Keeps Envoy's tracer from what it would not record: for a call without a traceparent it makes a span with its ids and tags and
 * passes a context on, and only then throws all of it away, which is a tenth of Envoy's time per call. A traceparent that it cannot
 * read saves it all that. Whoever is behind takes it for none (https://www.w3.org/TR/trace-context/#a-traceparent-is-received).
 */
const noSpan: JsonObject = {
  name: "envoy.http.early_header_mutation.header_mutation",
  typed_config: any(earlyMutation, {
    mutations: [{ append: { header: { key: "traceparent", value: "-" }, append_action: "ADD_IF_ABSENT" } }],
  }),
};

const samplers = "envoy.extensions.tracers.opentelemetry.samplers.v3";

/**
 * A call that comes with a traceparent keeps its caller's decision, and the ratio is for those without. The manager's own
 * sampling knows nothing of callers and would override them, so it lets all pass on to the tracer's sampler.
 */
function tracing(prefix: string, ratio: number): JsonObject {
  const ofRatio = any(`${samplers}.TraceIdRatioBasedSamplerConfig`, {
    sampling_percentage: { numerator: Math.round(ratio * 1e6), denominator: "MILLION" },
  });
  const sampler = any(`${samplers}.ParentBasedSamplerConfig`, {
    wrapped_sampler: {
      name: "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
      typed_config: ofRatio,
    },
  });
  return {
    random_sampling: { value: 100 },
    // The span's name: the method, where Envoy would call each of them "ingress".
    operation: "%REQ(:PATH)%",
    provider: {
      name: "envoy.tracers.opentelemetry",
      typed_config: any("envoy.config.trace.v3.OpenTelemetryConfig", {
        grpc_service: { envoy_grpc: { cluster_name: COLLECTOR_CLUSTER }, timeout: "1s" },
        service_name: `rouse-${prefix}`,
        sampler: { name: "envoy.tracers.opentelemetry.samplers.parent_based", typed_config: sampler },
      }),
    },
  };
}
