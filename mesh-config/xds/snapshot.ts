import type { MeshState, VersionState } from "../../registry/state.ts";
import { clusterName, parseClusterName } from "../../registry/target.ts";
import type { RouseError } from "../../sdk/errors.ts";
import type { JsonObject } from "../proto/json.ts";
import { explainingCluster } from "../resources/clusters.ts";
import { listeners } from "../resources/listeners.ts";
import { versionResources } from "../resources/mesh.ts";
import type { OwnListeners } from "../resources/own-listeners.ts";
import { type Extras, noExtras } from "../resources/plan.ts";
import { registryClusters } from "../resources/registry-routes.ts";
import type { MeshSettings } from "../resources/settings.ts";
import { ChangeLog, changedServices } from "./changed.ts";
import { Pages } from "./pages.ts";
import { encodeResource, type Kind, type Resource } from "./resource.ts";
import { RouteTables } from "./tables.ts";

/** All resources at one moment: until the next one is made, for which clusters and endpoints are changed in place. */
export interface Snapshot {
  /** Counts up from 1. */
  readonly number: number;
  /** Names of clusters and lists of endpoints that may have changed after the snapshot of a number; undefined: any. */
  readonly touchedSince?: (number: number) => Iterable<string> | undefined;
  readonly resources: Readonly<Record<Kind, ReadonlyMap<string, Resource>>>;
  /** What hundreds of Envoys have in common: a copy of the clusters or endpoints as they were not long ago. */
  readonly shared?: (kind: Kind) => Shared | undefined;
  /** The same as responses for Envoys that come with nothing; undefined: there are none just now. */
  readonly pages?: () => Pages | undefined;
  /** Clusters that have the endpoints of another one, and its name. */
  readonly aliases: ReadonlyMap<string, string>;
}

export interface Shared {
  /** Of the snapshot that was copied. */
  readonly number: number;
  readonly contents: ReadonlyMap<string, Resource>;
  readonly names: ReadonlyMap<string, true>;
}

/** So much of what is shared may have changed before it is copied anew. */
const STALE_SHARE = 1 / 16;

/** Clusters and endpoints as they were not long ago, and both at the same time. */
interface Moment {
  readonly shared: Pages["shared"];
  /** How many there had been. */
  readonly touches: number;
  /** Some clusters had others' endpoints. */
  readonly aliased: boolean;
  /** They are large, and kept by the Envoys that are under way. */
  pages?: WeakRef<Pages>;
}

interface VersionResources {
  extras: Extras;
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
  readonly #clusters: Map<string, Resource>;
  readonly #endpoints = new Map<string, Resource>();
  /** What stands in those two of each service, by version. */
  readonly #made = new Map<string, ReadonlyMap<string, VersionResources>>();
  readonly #log = new ChangeLog();
  #extensions: ReadonlyMap<string, Resource> = new Map();
  /** The last snapshot's clusters of aliases, and what each was made of. */
  readonly #aliasMade = new Map<string, { readonly of: object; readonly resource: Resource }>();
  #state: MeshState | undefined;
  #last: Snapshot | undefined;
  #moment: Moment | undefined;
  /** Clusters and lists of endpoints that were ever touched. */
  #touches = 0;
  /** By what Envoys say of their own listeners: those, and the last snapshot with them. */
  readonly #own = new Map<
    string,
    { listener: ReadonlyMap<string, Resource>; of: Snapshot; made: Snapshot }
  >();

  constructor(settings: MeshSettings) {
    this.#settings = settings;
    this.#tables = new RouteTables(settings);
    const registry = [...registryClusters(settings)];
    this.#clusters = new Map(
      registry.map(([name, json]) => [name, encodeResource("cluster", name, json, 1)]),
    );
  }

  /**
   * Makes the next snapshot, at a cost that goes with what changed and not with how much there is.
   *
   * @param extras By name of the current generation's cluster; an entry is replaced, never changed in place.
   * @param aliases Clusters that stand for another as long as that one is there, or that end calls with an error, by name.
   * @param renewed Names of the clusters whose extras changed since the last one; default: all.
   */
  build(
    state: MeshState,
    extras: ReadonlyMap<string, Extras>,
    aliases: ReadonlyMap<string, string | RouseError> = new Map(),
    renewed: Iterable<string> = extras.keys(),
  ): Snapshot {
    const number = (this.#last?.number ?? 0) + 1;
    const changed = changedServices(this.#state, state);
    const touched = new Set<string>();
    const services = new Set(changed);
    for (const name of renewed) {
      const service = parseClusterName(name)?.service;
      if (service !== undefined) services.add(service);
    }
    for (const service of services) this.#renew(service, state, extras, number, touched);
    this.#renewAliases(state, aliases, number, touched);
    const listener = this.#last?.resources.listener ?? this.#listeners(number);
    const route =
      this.#last !== undefined && changed.size === 0
        ? this.#last.resources.route
        : this.#tables.build(state, number, changed);
    this.#state = state;
    const resources = {
      listener,
      route,
      cluster: this.#clusters,
      endpoint: this.#endpoints,
      extension: this.#extensions,
    };
    this.#log.add(number, touched);
    this.#touches += touched.size;
    const touchedSince = (before: number) => this.#log.since(before);
    const others = [...aliases].filter((entry): entry is [string, string] => typeof entry[1] === "string");
    const shared = (kind: Kind) =>
      kind === "cluster" || kind === "endpoint" ? this.#recent(made).shared[kind] : undefined;
    const pages = () => this.#pagesFor(made);
    const made = { number, resources, aliases: new Map(others), touchedSince, shared, pages };
    this.#last = made;
    return made;
  }

  #recent({ number, aliases }: Snapshot): Moment {
    const last = this.#moment;
    if (last !== undefined && this.#touches - last.touches <= this.#clusters.size * STALE_SHARE) return last;
    const shared = { cluster: copyOf(this.#clusters, number), endpoint: copyOf(this.#endpoints, number) };
    this.#moment = { shared, touches: this.#touches, aliased: aliases.size > 0 };
    return this.#moment;
  }

  /** There are none where clusters have others' endpoints: those follow each of them. */
  #pagesFor(snapshot: Snapshot): Pages | undefined {
    if (snapshot.aliases.size > 0) return undefined;
    const kept = this.#pagesOf(this.#recent(snapshot));
    if (kept?.within(snapshot)) return kept;
    this.#moment = undefined;
    return this.#pagesOf(this.#recent(snapshot));
  }

  #pagesOf(moment: Moment): Pages | undefined {
    if (moment.aliased) return undefined;
    const pages = moment.pages?.deref() ?? new Pages(moment.shared);
    moment.pages = new WeakRef(pages);
    return pages;
  }

  /** Puts a service's clusters and endpoints as they are now in place of those before. */
  #renew(
    service: string,
    state: MeshState,
    extras: ReadonlyMap<string, Extras>,
    number: number,
    touched: Set<string>,
  ): void {
    const before = this.#made.get(service);
    const now = new Map<string, VersionResources>();
    for (const [version, found] of state.services.get(service)?.versions ?? []) {
      now.set(version, this.#version(service, found, extras, number));
    }
    for (const [version, made] of before ?? []) {
      if (now.get(version) === made) continue;
      for (const { name } of made.clusters) if (touched.add(name)) this.#clusters.delete(name);
      for (const { name } of made.endpoints) if (touched.add(name)) this.#endpoints.delete(name);
    }
    for (const [version, made] of now) {
      if (before?.get(version) === made) continue;
      for (const resource of made.clusters) {
        touched.add(resource.name);
        this.#clusters.set(resource.name, resource);
      }
      for (const resource of made.endpoints) {
        touched.add(resource.name);
        this.#endpoints.set(resource.name, resource);
      }
    }
    if (now.size === 0) this.#made.delete(service);
    else this.#made.set(service, now);
  }

  /** There may be one for each version while Envoys come back: what is made is kept as long as it is of the same. */
  #renewAliases(
    state: MeshState,
    aliases: ReadonlyMap<string, string | RouseError>,
    number: number,
    touched: Set<string>,
  ): void {
    const made = new Map<string, Resource>();
    for (const [alias, name] of aliases) {
      if (typeof name !== "string") {
        made.set(
          alias,
          this.#madeOf(alias, name, number, () => explainingCluster(alias, name)),
        );
        continue;
      }
      const target = parseClusterName(name);
      if (target === undefined || !state.services.get(target.service)?.versions.has(target.version)) continue;
      const json = this.#made.get(target.service)?.get(target.version)?.json.get(name);
      if (json === undefined) continue;
      made.set(
        alias,
        this.#madeOf(alias, json, number, () => aliasOf(json, alias)),
      );
    }
    for (const alias of this.#aliasMade.keys()) {
      if (made.has(alias)) continue;
      this.#aliasMade.delete(alias);
      touched.add(alias);
      const own = this.#ownCluster(alias);
      if (own === undefined) this.#clusters.delete(alias);
      else this.#clusters.set(alias, own);
    }
    for (const [alias, resource] of made) {
      if (this.#clusters.get(alias) === resource) continue;
      touched.add(alias);
      this.#clusters.set(alias, resource);
    }
  }

  #madeOf(alias: string, of: object, number: number, json: () => JsonObject): Resource {
    const before = this.#aliasMade.get(alias);
    if (before?.of === of) return before.resource;
    const resource = this.#same("cluster", alias, json(), number);
    this.#aliasMade.set(alias, { of, resource });
    return resource;
  }

  /** The cluster of that very name, which an alias stood for. */
  #ownCluster(name: string): Resource | undefined {
    const target = parseClusterName(name);
    if (target === undefined) return undefined;
    const made = this.#made.get(target.service)?.get(target.version);
    return made?.clusters.find((resource) => resource.name === name);
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
    // That Envoys have a cluster changes nothing about one that is there.
    if (known?.json.has(clusterName(target)) && sameBesidesKept(known.extras, extra)) {
      known.extras = extra;
      return known;
    }
    const json = versionResources(service, state, extra, this.#settings);
    const clusters = new Map(
      [...json.clusters].map(([name, one]) => [name, this.#same("cluster", name, one, number)]),
    );
    const made = {
      extras: extra,
      json: json.clusters,
      clusters: [...clusters.values()],
      endpoints: [...json.endpoints].map(([name, one]) =>
        this.#same("endpoint", name, one, number, clusters.get(name)),
      ),
    };
    this.#versions.set(state, made);
    return made;
  }

  /** The last snapshot's resource when its content is the same. */
  #same(kind: Kind, name: string, json: JsonObject, number: number, after?: Resource): Resource {
    const made = encodeResource(kind, name, json, number, after);
    const last = this.#last?.resources[kind].get(name);
    return last?.version === made.version ? last : made;
  }

  #listeners(number: number, settings = this.#settings): Map<string, Resource> {
    const made = [...listeners(settings)];
    return new Map(made.map(([name, json]) => [name, encodeResource("listener", name, json, number)]));
  }
}

function copyOf(resources: ReadonlyMap<string, Resource>, number: number): Shared {
  const names = new Map([...resources.keys()].map((name) => [name, true as const]));
  return { contents: new Map(resources), names, number };
}

function sameBesidesKept(a: Extras, b: Extras): boolean {
  const sameReady = a.ready.length === b.ready.length && a.ready.every((one, n) => one === b.ready[n]);
  return sameReady && a.silence === b.silence && a.former === undefined && b.former === undefined;
}

/** The same cluster under another name, with the endpoints of its own. */
function aliasOf(json: JsonObject, alias: string): JsonObject {
  const eds = json.eds_cluster_config as JsonObject | undefined;
  if (eds === undefined) return { ...json, name: alias };
  return { ...json, name: alias, eds_cluster_config: { ...eds, service_name: json.name as string } };
}
