import type { RouseError } from "../../sdk/errors.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { details, percentEncode, shortened } from "./answer.ts";

/** Name of the listener within each Envoy that ends any call with the status and message which request headers name. */
export const EXPLAINER_LISTENER = "rouse_explainer";

const STATUS = "x-rouse-explain-status";
const MESSAGE = "x-rouse-explain-message";
const DETAILS = "x-rouse-explain-details";

/** The headers that tell the explainer to answer with the error. */
export function explainHeaders(full: RouseError): [string, string][] {
  const error = shortened(full);
  return [
    [STATUS, String(error.code)],
    [MESSAGE, percentEncode(error.message)],
    [DETAILS, details(error)],
  ];
}

/**
 * The explainer, which every Envoy has from its bootstrap: it needs no control plane, and a cluster that explains is the same
 * whichever control plane sent it.
 */
export function explainerListener(): JsonObject {
  const from = (key: string, header: string) => ({
    header: { key, value: `%REQ(${header})%` },
    append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
  });
  const route = {
    match: { prefix: "/" },
    // The form of gRPC's trailers-only answers, which ends a call of any shape.
    direct_response: { status: 200 },
    response_headers_to_add: [
      {
        header: { key: "content-type", value: "application/grpc" },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      },
      from("grpc-status", STATUS),
      from("grpc-message", MESSAGE),
      from("grpc-status-details-bin", DETAILS),
    ],
  };
  const manager = any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", {
    stat_prefix: "explainer",
    codec_type: "HTTP2",
    route_config: {
      name: "explainer",
      virtual_hosts: [{ name: "explainer", domains: ["*"], routes: [route] }],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: any("envoy.extensions.filters.http.router.v3.Router", { suppress_envoy_headers: true }),
      },
    ],
    http2_protocol_options: {
      initial_stream_window_size: 1 << 20,
      initial_connection_window_size: 16 << 20,
    },
    stream_idle_timeout: "0s",
    generate_request_id: false,
  });
  return {
    name: EXPLAINER_LISTENER,
    internal_listener: {},
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
    ],
  };
}
