import { isDeepStrictEqual } from "node:util";
import { approvalShown } from "./approval.ts";
import { type VersionHealth, versionHealthSchema } from "./health-record.ts";
import { type HealthEntry, instanceOf } from "./instance-record.ts";
import {
  ACTIVATION_PREFIX,
  ALL_VERSIONS,
  APPROVALS_PREFIX,
  activationKey,
  approvalKey,
  CATALOG_PREFIX,
  catalogKey,
  HEALTH_PREFIX,
  healthKey,
  parseVersionKey,
  TAGS_PREFIX,
  TUNING_PREFIX,
  tagsKey,
  tuningKey,
} from "./keys.ts";
import type { KvItem } from "./kv.ts";
import { PrefixCache } from "./prefix-cache.ts";
import {
  type ApprovalRecord,
  activationSchema,
  approvalSchema,
  type CatalogEntry,
  catalogEntrySchema,
  FIRST_ACTIVATION,
  type Tags,
  tagsSchema,
} from "./records.ts";
import type {
  Activation,
  InstanceState,
  MeshState,
  ServiceState,
  VersionManifest,
  VersionState,
  WeightedVersion,
} from "./state.ts";
import { tuned } from "./tuning/merge.ts";
import { type TuningRecord, tuningRecordSchema } from "./tuning/record.ts";

const NO_INSTANCES: readonly InstanceState[] = Object.freeze([]);
const NO_TAGS: ReadonlyMap<string, readonly WeightedVersion[]> = new Map();

/**
 * Builds {@link MeshState} from the answers of Consul, piece by piece. What did not change stays the same object from one
 * state to the next, down to the single version, so that readers may compare by identity.
 */
export class MeshAssembler {
  readonly #catalog: PrefixCache<CatalogEntry>;
  readonly #tags: PrefixCache<ReadonlyMap<string, readonly WeightedVersion[]>>;
  readonly #activations: PrefixCache<Activation>;
  readonly #approvals: PrefixCache<ApprovalRecord>;
  readonly #tunings: PrefixCache<TuningRecord>;
  readonly #health: PrefixCache<VersionHealth>;
  /** By service, then by version. */
  readonly #instances = new Map<string, ReadonlyMap<string, readonly InstanceState[]>>();
  readonly #versions = new Map<string, Set<string>>();
  readonly #dirty = new Set<string>();
  #state: MeshState = { services: new Map() };

  /** @param onBad - Told of a key whose value Rouse cannot read; the last good value stays in use. */
  constructor(onBad: (key: string, error: Error) => void) {
    this.#catalog = new PrefixCache((_, json) => catalogEntrySchema.parse(json), onBad);
    this.#tags = new PrefixCache((_, json) => tagMap(tagsSchema.parse(json)), onBad);
    this.#activations = new PrefixCache((_, json) => activationSchema.parse(json), onBad);
    this.#approvals = new PrefixCache((_, json) => approvalSchema.parse(json), onBad);
    this.#tunings = new PrefixCache((_, json) => tuningRecordSchema.parse(json), onBad);
    this.#health = new PrefixCache((_, json) => versionHealthSchema.parse(json), onBad);
  }

  get state(): MeshState {
    return this.#state;
  }

  setCatalog(items: readonly KvItem[], fresh: boolean): void {
    for (const key of this.#catalog.replace(items, fresh)) {
      const name = parseVersionKey(CATALOG_PREFIX, key);
      if (name === undefined) continue;
      this.#dirty.add(name.service);
      const versions = this.#versions.get(name.service) ?? new Set();
      this.#versions.set(name.service, versions);
      if (this.#catalog.get(key) === undefined) versions.delete(name.version);
      else versions.add(name.version);
      if (versions.size === 0) this.#versions.delete(name.service);
    }
  }

  setTags(items: readonly KvItem[], fresh: boolean): void {
    for (const key of this.#tags.replace(items, fresh)) this.#dirty.add(key.slice(TAGS_PREFIX.length));
  }

  setActivations(items: readonly KvItem[], fresh: boolean): void {
    this.#soil(ACTIVATION_PREFIX, this.#activations.replace(items, fresh));
  }

  setApprovals(items: readonly KvItem[], fresh: boolean): void {
    this.#soil(APPROVALS_PREFIX, this.#approvals.replace(items, fresh));
  }

  setHealth(items: readonly KvItem[], fresh: boolean): void {
    this.#soil(HEALTH_PREFIX, this.#health.replace(items, fresh));
  }

  setTunings(items: readonly KvItem[], fresh: boolean): void {
    this.#soil(TUNING_PREFIX, this.#tunings.replace(items, fresh));
  }

  #soil(prefix: string, keys: readonly string[]): void {
    for (const key of keys) {
      const name = parseVersionKey(prefix, key);
      if (name !== undefined) this.#dirty.add(name.service);
    }
  }

  /** @returns how many instances there are. */
  setInstances(service: string, entries: readonly HealthEntry[]): number {
    const byVersion = new Map<string, InstanceState[]>();
    let count = 0;
    for (const entry of entries) {
      const found = instanceOf(entry);
      if (found === undefined) continue;
      count++;
      const list = byVersion.get(found.version);
      if (list === undefined) byVersion.set(found.version, [found.instance]);
      else list.push(found.instance);
    }
    for (const list of byVersion.values()) list.sort((a, b) => (a.id < b.id ? -1 : 1));
    const known = this.#instances.get(service);
    const next = new Map<string, readonly InstanceState[]>();
    for (const [version, list] of byVersion) {
      const before = known?.get(version);
      next.set(version, before !== undefined && isDeepStrictEqual(before, list) ? before : list);
    }
    const same = next.size === (known?.size ?? 0) && [...next].every(([v, list]) => known?.get(v) === list);
    if (same) return count;
    if (next.size === 0) this.#instances.delete(service);
    else this.#instances.set(service, next);
    this.#dirty.add(service);
    return count;
  }

  /** Makes the new state. @returns true when it differs from the one before. */
  commit(): boolean {
    if (this.#dirty.size === 0) return false;
    let services: Map<string, ServiceState> | undefined;
    for (const name of this.#dirty) {
      const before = this.#state.services.get(name);
      const after = this.#service(name, before);
      if (after === before) continue;
      services ??= new Map(this.#state.services);
      if (after === undefined) services.delete(name);
      else services.set(name, after);
    }
    this.#dirty.clear();
    if (services === undefined) return false;
    this.#state = { services };
    return true;
  }

  #service(name: string, before: ServiceState | undefined): ServiceState | undefined {
    const names = this.#versions.get(name);
    if (names === undefined) return undefined;
    const versions = new Map<string, VersionState>();
    for (const version of names) {
      const state = this.#version(name, version, before?.versions.get(version));
      if (state !== undefined) versions.set(version, state);
    }
    const tags = this.#tags.get(tagsKey(name)) ?? NO_TAGS;
    const same =
      before?.versions.size === versions.size &&
      [...versions].every(([version, state]) => before.versions.get(version) === state);
    if (!same) return { versions, tags };
    return before.tags === tags ? before : { versions: before.versions, tags };
  }

  #version(service: string, version: string, before: VersionState | undefined): VersionState | undefined {
    const entry = this.#catalog.get(catalogKey(service, version));
    if (entry === undefined) return undefined;
    const { deployment } = entry;
    const { manifest, tuning } = this.#tuned(service, version, entry.manifest, before);
    const activation = this.#activations.get(activationKey(service, version)) ?? FIRST_ACTIVATION;
    const instances = this.#instances.get(service)?.get(version) ?? NO_INSTANCES;
    const shown = approvalShown(entry.approval, this.#approvals.get(approvalKey(service, version)));
    const health = this.#health.get(healthKey(service, version));
    const same =
      before !== undefined &&
      before.manifest === manifest &&
      before.deployment === deployment &&
      before.activation === activation &&
      before.instances === instances &&
      before.approval === shown.approval &&
      before.barred === shown.barred &&
      before.health === health;
    if (same) return before;
    const state = { manifest, ...(tuning && { tuning }), deployment, activation, instances, ...shown };
    return health === undefined ? state : { ...state, health };
  }

  /** The manifest with what was tuned above it; the same object as before while nothing of that changed. */
  #tuned(
    name: string,
    exact: string,
    contract: VersionManifest,
    before: VersionState | undefined,
  ): Pick<VersionState, "manifest" | "tuning"> {
    const service = this.#tunings.get(tuningKey(name, ALL_VERSIONS));
    const version = this.#tunings.get(tuningKey(name, exact));
    if (service === undefined && version === undefined) return { manifest: contract };
    const known = before?.tuning;
    if (known?.contract === contract && known.service === service && known.version === version)
      return before ?? { manifest: contract };
    const manifest = tuned(contract, { service: service?.settings, version: version?.settings });
    return { manifest, tuning: { contract, service, version } };
  }
}

function tagMap(tags: Tags): ReadonlyMap<string, readonly WeightedVersion[]> {
  return new Map(Object.entries(tags));
}
