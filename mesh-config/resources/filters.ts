import { any, type JsonObject } from "../proto/json.ts";

/** An HTTP filter of Envoy's own. @param type Its configuration's, in the package of HTTP filters. */
export function filter(name: string, type: string, fields: JsonObject = {}): JsonObject {
  const typed_config = any(`envoy.extensions.filters.http.${type}`, fields);
  return { name: `envoy.filters.http.${name}`, typed_config };
}

/** Of a route, for a filter that is disabled: the route turns it on, with the configuration that it has in the listener. */
export const filterOn: JsonObject = any("envoy.config.route.v3.FilterConfig", { config: {} });
