import type { Load } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { Target } from "../registry/target.ts";
import { clusterName, versionKey } from "../registry/target.ts";
import { steadyMs } from "../sdk/steady.ts";

/** Envoys whose mesh-config is away have come to another one by then, ms; mesh-config gives them the same time. */
export const AWAY_MS = 10_000;

type Version = Pick<Target, "service" | "version">;

/** Calls of a version or of one instance, as the latest reports have them. */
export interface CallCounts {
  /** Calls and streams open at the end of the interval. */
  readonly inProgress: number;
  /** Calls that began in it. */
  readonly issued: number;
  /** Calls that ended in it with a gateway or server error. */
  readonly errors: number;
}

/** What the mesh-configs reported last of a version, all generations together. */
export interface VersionLoad extends CallCounts {
  /** By address of the instance; one that is not named had no call. */
  readonly endpoints: ReadonlyMap<string, CallCounts>;
  /** Until when that is known of every mesh-config, ms since 1970; 0: it is not. */
  readonly untilMs: number;
  /** When a mesh-config reported last, of some Envoys at least, ms since 1970; 0: never. */
  readonly reportedMs: number;
}

interface Source {
  /** Id of the mesh-config. */
  readonly meshConfig: string;
  away: boolean;
  readonly wanted: Map<string, number>;
  /** By target, the instance on standby to which its held calls were sent already. */
  readonly sentAhead: Map<string, string>;
  readonly drained: Set<string>;
  /** Latest report, by version. */
  loads: ReadonlyMap<string, readonly Load[]>;
  reportedUntilMs: number;
  /** Envoys that it serves; undefined until it said so. */
  envoys: number | undefined;
}

/**
 * What the mesh-configs say: which clusters hold calls, when each was last called, which have drained.
 *
 * Nothing here must survive: a mesh-config that connects says all of it again.
 */
export class Demand {
  readonly #sources = new Map<string, Source>();
  /** Targets that a person or a replacement wants, with the time of the wish. */
  readonly #own = new Map<string, number>();
  /** By version: a call that is still open on a retired generation keeps the version from going idle. */
  readonly #lastActive = new Map<string, number>();
  readonly #drainingSince = new Map<string, number>();
  readonly #servedAt = new Map<string, number>();
  #reportedMs = 0;
  /** Since when an instance is seen to retire, by its id. */
  readonly #retiringSince = new Map<string, number>();

  /**
   * Takes up a stream of a mesh-config, which has said nothing yet.
   *
   * @param source Different for each stream.
   */
  connect(source: string, meshConfig: string): void {
    for (const [name, known] of this.#sources)
      if (known.away && known.meshConfig === meshConfig) this.#sources.delete(name);
    this.#sources.set(source, {
      meshConfig,
      away: false,
      wanted: new Map(),
      sentAhead: new Map(),
      drained: new Set(),
      loads: new Map(),
      reportedUntilMs: 0,
      envoys: undefined,
    });
  }

  /**
   * The mesh-config is away. Its Envoys are on their way to another one: what they do is unknown until then, so that it still
   * counts with what it said last, but for its load.
   *
   * @returns false when it had none, and is forgotten.
   */
  lose(source: string): boolean {
    const entry = this.#sources.get(source);
    if (entry === undefined || entry.envoys === 0) {
      this.#sources.delete(source);
      return false;
    }
    entry.loads = new Map();
    entry.away = true;
    return true;
  }

  /** Whether a mesh-config has connected, and is not away for so long that it was forgotten. */
  knows(meshConfig: string): boolean {
    return [...this.#sources.values()].some((source) => source.meshConfig === meshConfig);
  }

  disconnect(source: string): void {
    this.#sources.delete(source);
  }

  /**
   * Notes that an Envoy of the source holds calls since `sinceMs`.
   *
   * @param thawing id of the instance on standby to which they were sent already; empty: none.
   */
  want(source: string, target: Target, sinceMs: number, thawing = ""): void {
    const key = clusterName(target);
    this.#sources.get(source)?.wanted.set(key, sinceMs);
    if (thawing !== "") this.#sources.get(source)?.sentAhead.set(key, thawing);
  }

  /** Ids of the instances on standby to which calls of the target were sent ahead: Envoys know its cluster. */
  sentAhead(target: Target): ReadonlySet<string> {
    const key = clusterName(target);
    const ids = [...this.#sources.values()].map(({ sentAhead }) => sentAhead.get(key));
    return new Set(ids.filter((id) => id !== undefined));
  }

  /** The instance that calls of the target were sent to has been resumed, or is of another generation by now. */
  arrived(target: Target): void {
    for (const source of this.#sources.values()) source.sentAhead.delete(clusterName(target));
  }

  /** Notes a wish that comes from no Envoy: a person's start, or a replacement. */
  wantOwn(target: Target, nowMs: number): void {
    this.#own.set(clusterName(target), nowMs);
  }

  /** Since when the target is wanted, ms since 1970; undefined when it is not. */
  wantedSince(target: Target): number | undefined {
    const key = clusterName(target);
    let since = this.#own.get(key);
    for (const source of this.#sources.values()) {
      const at = source.wanted.get(key);
      if (at !== undefined && (since === undefined || at < since)) since = at;
    }
    return since;
  }

  /** Ends all wishes for a target: it serves, or it failed and its callers were told. */
  settle(target: Target): void {
    const key = clusterName(target);
    this.#own.delete(key);
    for (const source of this.#sources.values()) source.wanted.delete(key);
  }

  /**
   * Takes one load report: the targets with calls open or begun since the last, and until when all is known.
   *
   * @param envoys From how many Envoys it is; 0: the mesh-config has none, and no say.
   * @returns the versions whose load it tells, or told last time.
   */
  report(source: string, loads: readonly Load[], untilMs: number, envoys = 1, nowMs = steadyMs()): Version[] {
    const entry = this.#sources.get(source);
    if (entry === undefined) return [];
    const touched = new Map<string, Version>();
    const byVersion = new Map<string, Load[]>();
    for (const [key, [before]] of entry.loads) if (before?.target) touched.set(key, before.target);
    for (const load of loads) {
      const { target } = load;
      if (target === undefined || load.inProgress + load.issued === 0) continue;
      const key = versionKey(target);
      touched.set(key, target);
      byVersion.set(key, [...(byVersion.get(key) ?? []), load]);
      this.touch(target, nowMs);
    }
    entry.loads = byVersion;
    entry.reportedUntilMs = untilMs;
    this.#reportedMs = nowMs;
    entry.envoys = envoys;
    return [...touched.values()];
  }

  /** The latest load of a version. */
  load(version: Version): VersionLoad {
    const key = versionKey(version);
    const sum = { inProgress: 0, issued: 0, errors: 0 };
    const endpoints = new Map<string, { inProgress: number; issued: number; errors: number }>();
    for (const { loads } of this.#sources.values()) {
      for (const load of loads.get(key) ?? []) {
        sum.inProgress += load.inProgress;
        sum.issued += load.issued;
        for (const { address, inProgress, issued, errors } of load.endpoints) {
          const known = endpoints.get(address) ?? { inProgress: 0, issued: 0, errors: 0 };
          known.inProgress += inProgress;
          known.issued += issued;
          known.errors += errors;
          sum.errors += errors;
          endpoints.set(address, known);
        }
      }
    }
    return { ...sum, endpoints, untilMs: this.loadsUntil(), reportedMs: this.#reportedMs };
  }

  /** Since when the instance is seen to retire, ms since 1970; `nowMs` if it is seen now. */
  retiringSince(instanceId: string, nowMs: number): number {
    const since = this.#retiringSince.get(instanceId) ?? nowMs;
    this.#retiringSince.set(instanceId, since);
    return since;
  }

  /** Forgets what is kept of an instance that is gone. */
  forgetInstance(instanceId: string): void {
    this.#retiringSince.delete(instanceId);
  }

  /** Notes that a version is in use, whatever the generation. */
  touch(version: Version, nowMs: number): void {
    const key = versionKey(version);
    this.#lastActive.set(key, Math.max(nowMs, this.#lastActive.get(key) ?? 0));
  }

  /** Notes that an instance of the target began to serve. */
  served(target: Target, nowMs: number): void {
    this.#servedAt.set(clusterName(target), nowMs);
    this.touch(target, nowMs);
  }

  /** When the target's latest instance began to serve, ms since 1970; undefined when this leader did not see it. */
  servedAt(target: Target): number | undefined {
    return this.#servedAt.get(clusterName(target));
  }

  /** Last time that any generation of the version was in use, ms since 1970. */
  lastActive(version: Version): number | undefined {
    return this.#lastActive.get(versionKey(version));
  }

  /**
   * Until when it is known which clusters were called, ms since 1970: what every mesh-config that has Envoys has reported by
   * now. 0 when there is none, or one that has not reported yet.
   */
  loadsUntil(): number {
    let untilMs = Number.POSITIVE_INFINITY;
    for (const { reportedUntilMs, envoys } of this.#sources.values())
      if (envoys !== 0) untilMs = Math.min(untilMs, reportedUntilMs);
    return Number.isFinite(untilMs) ? untilMs : 0;
  }

  markDrained(source: string, target: Target): void {
    this.#sources.get(source)?.drained.add(clusterName(target));
  }

  /** An Envoy came to the mesh-config with calls open on what had drained there. */
  markReopened(source: string, target: Target): void {
    this.#sources.get(source)?.drained.delete(clusterName(target));
  }

  /** True when every mesh-config (at least one) says that the target has drained. */
  isDrained(target: Target): boolean {
    if (this.#sources.size === 0) return false;
    const key = clusterName(target);
    for (const source of this.#sources.values()) if (!source.drained.has(key)) return false;
    return true;
  }

  /** When the target was first seen draining; `nowMs` if it is seen now. */
  drainingSince(target: Target, nowMs: number): number {
    const key = clusterName(target);
    const since = this.#drainingSince.get(key);
    if (since !== undefined) return since;
    this.#drainingSince.set(key, nowMs);
    return nowMs;
  }

  /** Forgets all about a target whose cluster is gone. */
  forget(target: Target): void {
    const key = clusterName(target);
    this.settle(target);
    this.arrived(target);
    this.#drainingSince.delete(key);
    this.#servedAt.delete(key);
    for (const source of this.#sources.values()) source.drained.delete(key);
  }
}
