import type { JsonObject } from "../proto/json.ts";
import { unheard } from "./retries.ts";
import { action } from "./routes.ts";
import { COLLECTOR_CLUSTER, MESH_ROUTES, type MeshSettings } from "./settings.ts";

const SERVICES = ["trace.v1.TraceService", "metrics.v1.MetricsService"] as const;

/**
 * The way of instances' own spans and counts, in the route table for calls between services: by path prefix the entry of the trace
 * collector. The mesh's socket is what every instance can reach, a container on a bridge included. Who sends
 * says by a traceparent that this call is not to be traced.
 */
export function collectorRoutes(table: string, { tracing }: MeshSettings): [string, JsonObject][] {
  if (table !== MESH_ROUTES || tracing === undefined) return [];
  const route = action({ route: { cluster: COLLECTOR_CLUSTER, retry_policy: unheard } });
  return SERVICES.map((name) => [`/opentelemetry.proto.collector.${name}/`, route]);
}
