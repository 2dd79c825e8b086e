import type { MeshState, ServiceState, VersionState } from "../../registry/state.ts";
import { clusterName } from "../../registry/target.ts";
import type { JsonObject } from "../proto/json.ts";
import { explainingCluster, warmCluster } from "./clusters.ts";
import { endpoints } from "./endpoints.ts";
import { listeners } from "./listeners.ts";
import { type Extras, noExtras, planClusters } from "./plan.ts";
import { registryClusters } from "./registry-routes.ts";
import { routeTable, servicesOf } from "./route-tables.ts";
import { serviceRoutes } from "./routes.ts";
import { EDGE_ROUTES, MESH_ROUTES, type MeshSettings } from "./settings.ts";

/** Envoy's resources by name, each in canonical JSON. */
export interface MeshResources {
  readonly listeners: ReadonlyMap<string, JsonObject>;
  readonly routes: ReadonlyMap<string, JsonObject>;
  readonly clusters: ReadonlyMap<string, JsonObject>;
  readonly endpoints: ReadonlyMap<string, JsonObject>;
}

/** All of Envoy's resources for a state of the mesh. The control plane makes the same, but only what changed. */
export function meshResources(state: MeshState, settings: MeshSettings): MeshResources {
  const clusters = registryClusters(settings);
  const lists = new Map<string, JsonObject>();
  for (const [service, { versions }] of state.services) {
    for (const version of versions.values()) {
      const made = versionResources(service, version, noExtras, settings);
      for (const [name, json] of made.clusters) clusters.set(name, json);
      for (const [name, json] of made.endpoints) lists.set(name, json);
    }
  }
  const routes = [EDGE_ROUTES, MESH_ROUTES].map((name) => {
    const services = new Map<string, JsonObject>();
    for (const service of servicesOf(state, name)) {
      const found = state.services.get(service);
      if (found !== undefined) services.set(service, routesFor(name, service, found));
    }
    return [name, routeTable({ name, services }, settings)] as const;
  });
  return { listeners: listeners(settings), routes: new Map(routes), clusters, endpoints: lists };
}

/** Clusters and endpoints of one version, of all its generations. */
export function versionResources(
  service: string,
  state: VersionState,
  extras: Extras,
  { severalHosts }: Pick<MeshSettings, "severalHosts">,
) {
  const clusters = new Map<string, JsonObject>();
  const lists = new Map<string, JsonObject>();
  const { version } = state.manifest;
  for (const plan of planClusters(service, state, extras)) {
    const name = clusterName({ service, version, generation: plan.generation });
    if (plan.kind === "explain") clusters.set(name, explainingCluster(name, plan.error));
    else {
      clusters.set(name, warmCluster(name, state.manifest, severalHosts === true));
      lists.set(name, endpoints(name, plan.endpoints, state.manifest.loadBalancing));
    }
  }
  return { clusters, endpoints: lists };
}

/** A service's node in a route table. */
export function routesFor(table: string, service: string, state: ServiceState): JsonObject {
  return serviceRoutes(service, shownIn(table, state));
}

/** What a table shows of a service: the world sees external versions only. The very same state where that is all of it. */
export function shownIn(table: string, state: ServiceState): ServiceState {
  if (table !== EDGE_ROUTES) return state;
  const versions = knownExternal.get(state.versions) ?? external(state.versions);
  knownExternal.set(state.versions, versions);
  return versions.size === state.versions.size ? state : { ...state, versions };
}

type Versions = ServiceState["versions"];

/** The same object as long as no version changed. */
const knownExternal = new WeakMap<Versions, Versions>();

function external(versions: Versions): Versions {
  return new Map([...versions].filter(([, { manifest }]) => manifest.exposure === "external"));
}
