import type { JsonObject } from "../proto/json.ts";
import { action } from "./routes.ts";
import { COLLECTOR_CLUSTER, MESH_ROUTES, type MeshSettings } from "./settings.ts";

const SERVICES = ["trace.v1.TraceService", "metrics.v1.MetricsService"] as const;
const none = { numerator: 0 };

/**
 * The way of instances' own spans and counts, in the route table for calls between services: by path prefix the entry of the trace
 * collector. The mesh's socket is what every instance can reach, a container on a bridge included. Spans about the
 * sending of spans would never end, so these calls are not traced.
 */
export function collectorRoutes(table: string, { tracing }: MeshSettings): [string, JsonObject][] {
  if (table !== MESH_ROUTES || tracing === undefined) return [];
  const untraced = { client_sampling: none, random_sampling: none, overall_sampling: none };
  const route = action({ route: { cluster: COLLECTOR_CLUSTER }, tracing: untraced });
  return SERVICES.map((name) => [`/opentelemetry.proto.collector.${name}/`, route]);
}
