import type { VersionManifest } from "../../registry/state.ts";
import { workersOf } from "../../registry/workers.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { header } from "./answer.ts";
import { EXPLAINER_LISTENER, explainHeaders } from "./explainer.ts";
import { loadBalancing } from "./policies.ts";

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const http2 = {
  http2_protocol_options: {
    initial_stream_window_size: 1 << 20,
    initial_connection_window_size: 16 << 20,
  },
};

/** For how long a peer may leave what it was sent unconfirmed before its connection is given up, ms. */
const UNCONFIRMED_MS = 4_000;

/**
 * Ends connections to a host that is dead or cut off, and with them their calls, which would otherwise hang until their deadline.
 * It is the peer's kernel that confirms, so that a service which computes for long, or is frozen, is not taken for dead; a ping of
 * HTTP/2 would do that. tcp(7): IPPROTO_TCP 6, TCP_USER_TIMEOUT 18; keepalive is for connections with nothing under way, and those
 * that wait for an answer.
 */
const deadPeers: JsonObject = {
  upstream_connection_options: {
    tcp_keepalive: { keepalive_time: 2, keepalive_interval: 1, keepalive_probes: 2 },
  },
  upstream_bind_config: {
    socket_options: [
      {
        description: "TCP_USER_TIMEOUT",
        level: 6,
        name: 18,
        int_value: UNCONFIRMED_MS,
        state: "STATE_PREBIND",
      },
    ],
  },
};

/**
 * When an Envoy leaves an instance out by itself: after so many gateway errors in a row. How long: the first time `baseMs`, each
 * further one so much more, up to `longestMs`, which is Envoy's default; it looks whether that is over each `lookMs`.
 */
export const OUTLIERS = { failures: 5, baseMs: 10_000, longestMs: 300_000, lookMs: 5_000 } as const;

/**
 * A cluster whose endpoints come by EDS.
 *
 * @param remote They may be on other hosts; unix sockets are none of them then.
 */
export function warmCluster(name: string, manifest: VersionManifest, remote: boolean): JsonObject {
  return {
    name,
    type: "EDS",
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: "V3" } },
    connect_timeout: "1s",
    ...(remote ? deadPeers : {}),
    ...loadBalancing(manifest),
    typed_extension_protocol_options: {
      [httpOptions]: any(httpOptions, { explicit_http_config: http2Of(manifest) }),
    },
    circuit_breakers: breakers,
    // The rules that need many endpoints (success rate, percentages) cannot act on a few; a gateway failure is
    // counted for gRPC's UNAVAILABLE too. The one endpoint of a small version is never ejected.
    outlier_detection: {
      consecutive_gateway_failure: OUTLIERS.failures,
      enforcing_consecutive_gateway_failure: 100,
      enforcing_consecutive_5xx: 0,
      enforcing_success_rate: 0,
      interval: seconds(OUTLIERS.lookMs),
      base_ejection_time: seconds(OUTLIERS.baseMs),
      max_ejection_percent: 50,
    },
    // What the orchestrator takes away is gone at once, whatever Envoy's own checks say.
    ignore_health_on_host_removal: true,
  };
}

function seconds(ms: number): string {
  return `${ms / 1_000}s`;
}

/** Connections of an Envoy that each of an instance's workers should have when as many calls are in progress as it aims at. */
const CONNECTIONS_PER_WORKER = 4;

/** Workers share an instance's connections, not their calls: so one connection must not take all of them. */
function http2Of(manifest: VersionManifest): JsonObject {
  const { count } = workersOf(manifest);
  if (count === 1) return http2;
  const streams = Math.ceil(manifest.targetConcurrency / (CONNECTIONS_PER_WORKER * count));
  return { http2_protocol_options: { ...http2.http2_protocol_options, max_concurrent_streams: streams } };
}

/**
 * The breakers refuse nobody but a flood: how many calls there may be is the contract's and the orchestrator's matter. A service may
 * call itself a thousand levels deep on its last instance, and each level is a request that waits for the next one; streams count
 * as requests, too. All calls of an instance that dies are tried again at once. The same for every contract, so that tuning one touches no cluster.
 */
const breakers: JsonObject = {
  thresholds: [
    {
      max_connections: 10_000,
      max_pending_requests: 1_000_000,
      max_requests: 1_000_000,
      max_retries: 1_000_000,
    },
  ],
};

/**
 * A cluster that ends every call with the error: its one endpoint is the explainer within this very Envoy, and a filter of the
 * cluster tells it what to say, so that calls which are already held for the cluster get the reason as well.
 */
export function explainingCluster(name: string, error: RouseError): JsonObject {
  const address = { envoy_internal_address: { server_listener_name: EXPLAINER_LISTENER } };
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    typed_extension_protocol_options: {
      [httpOptions]: any(httpOptions, {
        explicit_http_config: http2,
        http_filters: [
          {
            name: "envoy.filters.http.header_mutation",
            typed_config: any("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", {
              mutations: {
                request_mutations: explainHeaders(error).map(([key, value]) => ({
                  append: header(key, value),
                })),
              },
            }),
          },
          {
            name: "envoy.filters.http.upstream_codec",
            typed_config: any("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"),
          },
        ],
      }),
    },
  };
}
