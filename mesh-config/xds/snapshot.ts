import type { MeshState, VersionState } from "../../registry/state.ts";
import { clusterName } from "../../registry/target.ts";
import type { JsonObject } from "../proto/json.ts";
import { listeners } from "../resources/listeners.ts";
import { versionResources } from "../resources/mesh.ts";
import type { OwnListeners } from "../resources/own-listeners.ts";
import { type Extras, noExtras } from "../resources/plan.ts";
import { registryClusters } from "../resources/registry-routes.ts";
import type { MeshSettings } from "../resources/settings.ts";
import { encodeResource, type Kind, type Resource } from "./resource.ts";
import { RouteTables } from "./tables.ts";

/** All resources at one moment. Never changed in place. */
export interface Snapshot {
  /** Counts up from 1. */
  readonly number: number;
  readonly resources: Readonly<Record<Kind, ReadonlyMap<string, Resource>>>;
  /** Clusters that have the endpoints of another one, and its name. */
  readonly aliases: ReadonlyMap<string, string>;
}

interface VersionResources {
  readonly extras: Extras;
  /** The clusters as JSON, by name. */
  readonly json: ReadonlyMap<string, JsonObject>;
  readonly clusters: readonly Resource[];
  readonly endpoints: readonly Resource[];
}

/** Makes snapshots, and encodes anew only what changed since the last one. */
export class SnapshotBuilder {
  readonly #settings: MeshSettings;
  #versions = new WeakMap<VersionState, VersionResources>();
  readonly #tables: RouteTables;
  readonly #registry: ReadonlyMap<string, Resource>;
  #extensions: ReadonlyMap<string, Resource> = new Map();
  #state: MeshState | undefined;
  #last: Snapshot | undefined;
  /** By what Envoys say of their own listeners: those, and the last snapshot with them. */
  readonly #own = new Map<
    string,
    { listener: ReadonlyMap<string, Resource>; of: Snapshot; made: Snapshot }
  >();

  constructor(settings: MeshSettings) {
    this.#settings = settings;
    this.#tables = new RouteTables(settings);
    const registry = [...registryClusters(settings)];
    this.#registry = new Map(
      registry.map(([name, json]) => [name, encodeResource("cluster", name, json, 1)]),
    );
  }

  /**
   * @param extras By name of the current generation's cluster; an entry is replaced, never changed in place.
   * @param aliases Clusters that stand for another as long as that one is there, by name.
   */
  build(
    state: MeshState,
    extras: ReadonlyMap<string, Extras>,
    aliases: ReadonlyMap<string, string> = new Map(),
  ): Snapshot {
    const number = (this.#last?.number ?? 0) + 1;
    const cluster = new Map(this.#registry);
    const endpoint = new Map<string, Resource>();
    for (const [service, { versions }] of state.services) {
      for (const version of versions.values()) {
        const made = this.#version(service, version, extras, number);
        for (const resource of made.clusters) cluster.set(resource.name, resource);
        for (const resource of made.endpoints) endpoint.set(resource.name, resource);
        for (const [alias, name] of aliases) {
          const json = made.json.get(name);
          if (json !== undefined)
            cluster.set(alias, this.#same("cluster", alias, aliasOf(json, alias), number));
        }
      }
    }
    const listener = this.#last?.resources.listener ?? this.#listeners(number);
    const route =
      this.#last !== undefined && this.#state === state
        ? this.#last.resources.route
        : this.#tables.build(state, number);
    this.#state = state;
    const extension = this.#extensions;
    const resources = { listener, route, cluster, endpoint, extension };
    this.#last = { number, resources, aliases: new Map(aliases) };
    return this.#last;
  }

  /** The same snapshot for an Envoy with listeners of its own. */
  withListeners(snapshot: Snapshot, own: OwnListeners): Snapshot {
    const key = JSON.stringify(own);
    const last = this.#own.get(key);
    if (last?.of === snapshot) return last.made;
    const listener = last?.listener ?? this.#listeners(snapshot.number, { ...this.#settings, ...own });
    const made = { ...snapshot, resources: { ...snapshot.resources, listener } };
    this.#own.set(key, { listener, of: snapshot, made });
    return made;
  }

  /**
   * Sets a filter's configuration for the snapshots to come.
   *
   * @returns whether it is another one than before.
   */
  setExtension(resource: Resource): boolean {
    const { name, version } = resource;
    if (this.#extensions.get(name)?.version === version) return false;
    const since = (this.#last?.number ?? 0) + 1;
    this.#extensions = new Map(this.#extensions).set(name, { ...resource, since });
    return true;
  }

  #version(
    service: string,
    state: VersionState,
    extras: ReadonlyMap<string, Extras>,
    number: number,
  ): VersionResources {
    const { version } = state.manifest;
    const target = { service, version, generation: state.activation.generation };
    const extra = extras.get(clusterName(target)) ?? noExtras;
    const known = this.#versions.get(state);
    if (known?.extras === extra) return known;
    const json = versionResources(service, state, extra, this.#settings);
    const encode = (kind: Kind, all: ReadonlyMap<string, JsonObject>) =>
      [...all].map(([name, one]) => this.#same(kind, name, one, number));
    const made = {
      extras: extra,
      json: json.clusters,
      clusters: encode("cluster", json.clusters),
      endpoints: encode("endpoint", json.endpoints),
    };
    this.#versions.set(state, made);
    return made;
  }

  /** The last snapshot's resource when its content is the same. */
  #same(kind: Kind, name: string, json: JsonObject, number: number): Resource {
    const made = encodeResource(kind, name, json, number);
    const last = this.#last?.resources[kind].get(name);
    return last?.version === made.version ? last : made;
  }

  #listeners(number: number, settings = this.#settings): Map<string, Resource> {
    const made = [...listeners(settings)];
    return new Map(made.map(([name, json]) => [name, encodeResource("listener", name, json, number)]));
  }
}

/** The same cluster under another name, with the endpoints of its own. */
function aliasOf(json: JsonObject, alias: string): JsonObject {
  const eds = json.eds_cluster_config as JsonObject | undefined;
  if (eds === undefined) return { ...json, name: alias };
  return { ...json, name: alias, eds_cluster_config: { ...eds, service_name: json.name as string } };
}
