import type { JsonObject } from "../proto/json.ts";
import { unheard } from "./retries.ts";
import { action } from "./routes.ts";
import { CONTROL_PLANE_CLUSTER, MESH_ROUTES } from "./settings.ts";

/** The control plane's service that tells where instances are; nobody else may register under the name. */
export const ENDPOINTS_SERVICE = "rouse.meshconfig.v1.Endpoints";

/**
 * The way to the control plane for those that call instances directly, in the route table for calls between services: from
 * outside nobody is to know where instances are.
 */
export function endpointsRoute(table: string): [string, JsonObject][] {
  if (table !== MESH_ROUTES) return [];
  const unlimited = {
    timeout: "0s",
    max_stream_duration: { max_stream_duration: "0s" },
    retry_policy: unheard,
  };
  return [[`/${ENDPOINTS_SERVICE}/`, action({ route: { cluster: CONTROL_PLANE_CLUSTER, ...unlimited } })]];
}
