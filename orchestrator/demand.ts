import type { Target } from "../registry/target.ts";
import { clusterName, versionKey } from "../registry/target.ts";

type Version = Pick<Target, "service" | "version">;

interface Source {
  readonly wanted: Map<string, number>;
  readonly drained: Set<string>;
  reportedUntilMs: number;
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

  connect(source: string): void {
    this.#sources.set(source, { wanted: new Map(), drained: new Set(), reportedUntilMs: 0 });
  }

  disconnect(source: string): void {
    this.#sources.delete(source);
  }

  /** Notes that an Envoy of the source holds calls since `sinceMs`. */
  want(source: string, target: Target, sinceMs: number): void {
    this.#sources.get(source)?.wanted.set(clusterName(target), sinceMs);
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

  /** Takes one load report, which reaches up to `untilMs`; `busy` are the targets with calls open or begun since the last. */
  report(source: string, busy: readonly Target[], untilMs: number): void {
    const entry = this.#sources.get(source);
    if (entry === undefined) return;
    entry.reportedUntilMs = untilMs;
    for (const target of busy) this.touch(target, untilMs);
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
   * Until when it is known which clusters were called, ms since 1970: what every mesh-config has reported by now. 0 when
   * there is none, or one that has not reported yet.
   */
  loadsUntil(): number {
    let untilMs = Number.POSITIVE_INFINITY;
    for (const { reportedUntilMs } of this.#sources.values()) untilMs = Math.min(untilMs, reportedUntilMs);
    return Number.isFinite(untilMs) ? untilMs : 0;
  }

  markDrained(source: string, target: Target): void {
    this.#sources.get(source)?.drained.add(clusterName(target));
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
    this.#drainingSince.delete(key);
    this.#servedAt.delete(key);
    for (const source of this.#sources.values()) source.drained.delete(key);
  }
}
