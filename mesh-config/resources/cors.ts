import { any, type JsonObject } from "../proto/json.ts";
import { headerInput } from "./routes.ts";
import type { MeshSettings } from "./settings.ts";

const exposed = "grpc-status, grpc-message, grpc-status-details-bin, *";
/** The star is for metadata of the contracts' own; it covers all but authorization. */
const allowed =
  "content-type, x-grpc-web, x-user-agent, grpc-timeout, rouse-version, traceparent, tracestate, authorization, *";

/** The filter that is on for Envoy's own answers only. */
const HEADER_MUTATION = "envoy.filters.http.header_mutation";

/** What the CORS filter lets browsers do; an entry of a route's configurations by filter, which turns the filter on. */
export function corsPolicy({ corsOrigins }: MeshSettings): JsonObject {
  const origins = corsOrigins?.map((exact) => ({ exact })) ?? [{ safe_regex: { regex: ".*" } }];
  return {
    "envoy.filters.http.cors": any("envoy.extensions.filters.http.cors.v3.CorsPolicy", {
      allow_origin_string_match: origins,
      // Contracts choose the methods of their JSON.
      allow_methods: "GET, POST, PUT, PATCH, DELETE, OPTIONS",
      allow_headers: allowed,
      expose_headers: exposed,
      max_age: "7200",
    }),
  };
}

/**
 * The same for a route with an answer of Envoy's own, which the CORS filter passes over: without these headers a browser would
 * hide the reason from the page.
 */
export function answersToBrowsers(): JsonObject {
  return {
    [HEADER_MUTATION]: any("envoy.config.route.v3.FilterConfig", {
      config: any("envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute"),
    }),
  };
}

/** The filter that {@link answersToBrowsers} turns on. */
export function corsOfAnswers({ corsOrigins }: MeshSettings): JsonObject {
  const add = (key: string, value: string) => ({
    append: { header: { key, value }, append_action: "ADD_IF_ABSENT" },
  });
  const filter = {
    name: HEADER_MUTATION,
    typed_config: any("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation", {
      mutations: {
        response_mutations: [
          add("access-control-allow-origin", "%REQ(origin)%"),
          add("access-control-expose-headers", exposed),
        ],
      },
    }),
  };
  if (corsOrigins === undefined) return { ...filter, disabled: true };
  const allowedOrigin = {
    single_predicate: {
      input: headerInput("origin"),
      value_match: { safe_regex: { google_re2: {}, regex: oneOf(corsOrigins) } },
    },
  };
  return {
    name: filter.name,
    disabled: true,
    typed_config: any("envoy.extensions.common.matching.v3.ExtensionWithMatcher", {
      extension_config: filter,
      xds_matcher: {
        matcher_list: {
          matchers: [
            {
              predicate: { not_matcher: allowedOrigin },
              on_match: {
                action: {
                  name: "skip",
                  typed_config: any("envoy.extensions.filters.common.matcher.action.v3.SkipFilter"),
                },
              },
            },
          ],
        },
      },
    }),
  };
}

function oneOf(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/[.\\+*?[\](){}|^$]/g, "\\$&")).join("|");
}
