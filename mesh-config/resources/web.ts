import { any, type JsonObject } from "../proto/json.ts";
import { corsPolicy } from "./cors.ts";
import { filter, filterOn } from "./filters.ts";
import type { MeshSettings } from "./settings.ts";

const GRPC_WEB = "envoy.filters.http.grpc_web";
const ROUTE_AGAIN = "rouse.route_again";

/** A cluster that is not there, for routes on which a filter answers or finds another route. */
export const NOBODY_CLUSTER = "nobody";

/**
 * What browsers need, on the edge: off, but for requests whose route turns it on. Each filter costs every call that passes it, and
 * most are plain gRPC.
 */
export function webFilters(): JsonObject[] {
  return [
    { ...filter("cors", "cors.v3.Cors"), disabled: true },
    { ...filter("grpc_web", "grpc_web.v3.GrpcWeb"), disabled: true },
    // Sets nothing: it has the route looked up again.
    {
      name: ROUTE_AGAIN,
      disabled: true,
      typed_config: any("envoy.extensions.filters.http.set_filter_state.v3.Config", {
        clear_route_cache: true,
      }),
    },
  ];
}

/**
 * The first route of a gRPC-web call, which settles what filters it passes. Behind gRPC-web's its content type is plain gRPC's, and its
 * service's route is found.
 */
export function grpcWebRoute(settings: MeshSettings): JsonObject {
  return {
    route: { cluster: NOBODY_CLUSTER },
    typed_per_filter_config: { ...corsPolicy(settings), [GRPC_WEB]: filterOn, [ROUTE_AGAIN]: filterOn },
  };
}
