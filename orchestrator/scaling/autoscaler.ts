import type { Policy } from "./policy.ts";
import { recommend } from "./recommend.ts";
import { Window } from "./window.ts";

/** What the autoscaler says of a version at one moment. */
export interface Wanted {
  readonly instances: number;
  /** Why, as a clause. */
  readonly reason: string;
  /** A new moment may lead to another answer, though nothing is reported. */
  readonly unsettled: boolean;
}

/** Load is reported each second: after this time without a report nothing is known, ms. */
const STALE_MS = 5_000;

/**
 * Follows one version's load and says how many instances it needs. Time comes from outside, so that the same class runs live and
 * in simulations.
 */
export class Autoscaler {
  #policy: Policy;
  #stable: Window;
  #panic: Window;
  #recommended: Window;
  #latest = 0;
  #firstMs: number | undefined;
  #latestMs = Number.NEGATIVE_INFINITY;
  /** Since when (ms since 1970) no burst came; undefined when there is no panic. */
  #panicSinceMs: number | undefined;
  /** What it said last, which instances come and go for; undefined: it was not asked yet. */
  #wanted: number | undefined;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#stable = new Window(policy.stableWindowMs);
    this.#panic = new Window(policy.panicWindowMs);
    this.#recommended = new Window(policy.scaleDownDelayMs);
  }

  /** Takes another policy; a window of another length begins anew, and nothing is taken away until it is full. */
  setPolicy(policy: Policy): void {
    const before = this.#policy;
    this.#policy = policy;
    if (before.stableWindowMs !== policy.stableWindowMs) {
      this.#stable = new Window(policy.stableWindowMs);
      this.#firstMs = undefined;
    }
    if (before.panicWindowMs !== policy.panicWindowMs) this.#panic = new Window(policy.panicWindowMs);
    if (before.scaleDownDelayMs !== policy.scaleDownDelayMs)
      this.#recommended = new Window(policy.scaleDownDelayMs);
  }

  /** Takes one report: calls and streams in progress at that time, ms since 1970. A report is taken once. */
  observe(inProgress: number, atMs: number): void {
    if (atMs === this.#latestMs) return;
    // After a silence, as when another orchestrator has led for a while, it begins anew.
    const silentMs = Number.isFinite(this.#latestMs) ? Math.abs(atMs - this.#latestMs) : 0;
    if (silentMs > Math.max(STALE_MS, this.#policy.stableWindowMs)) this.#reset();
    this.#stable.add(inProgress, atMs);
    this.#panic.add(inProgress, atMs);
    this.#latest = inProgress;
    this.#latestMs = atMs;
    this.#firstMs ??= atMs;
  }

  /**
   * How many instances the version needs now, between its minimum and maximum.
   *
   * Nothing is taken away in a panic (it ends after a stable window without a burst, as Knative's does), before a whole stable
   * window was seen, while no report comes, and before fewer were enough for the whole delay.
   *
   * @param have Instances that serve or start. They count only when it is asked first: later it is what was wanted before that
   *   goes up and down, so that instances which come, go or fail meanwhile do not.
   * @param isSure Whether all of these run. Where some may not, what is said at first holds only for as long as they are there.
   */
  wanted(have: number, nowMs: number, isSure = true): Wanted {
    const { minInstances, maxInstances, scaleDownDelayMs } = this.#policy;
    const least = Math.max(minInstances, Math.min(have, 1));
    const most = Math.max(1, maxInstances, minInstances);
    const clamp = (instances: number) => Math.min(Math.max(instances, least), most);
    // Back to nothing, or about to wake from there.
    if (have === 0) this.#rest();
    const before = this.#wanted ?? have;
    const isFirst = this.#wanted === undefined;
    // A clock that was set back is a silence as well.
    if (this.#firstMs === undefined || Math.abs(nowMs - this.#latestMs) > STALE_MS) {
      if (isSure) this.#wanted = before;
      const instances = clamp(before);
      // It is quiet, and nobody but the clock says so.
      return { instances, reason: "its load is unknown", unsettled: instances > least };
    }
    const load = {
      latest: this.#latest,
      panicMean: this.#panic.mean(nowMs) ?? this.#latest,
      stableMean: this.#stable.mean(nowMs) ?? this.#latest,
    };
    const { instances, burst, reason } = recommend(this.#policy, load, before);
    if (isFirst && !isSure) {
      const all = clamp(Math.max(instances, before));
      return { instances: all, reason: "not all are known to run", unsettled: true };
    }
    const needed = this.#hold(instances, before, burst, nowMs);
    if (scaleDownDelayMs > 0) this.#recommended.add(needed, nowMs);
    const delayed = scaleDownDelayMs > 0 ? (this.#recommended.most(nowMs) ?? needed) : needed;
    const result = clamp(delayed);
    this.#wanted = result;
    const held = () =>
      delayed < minInstances
        ? `${minInstances} are the fewest there may be`
        : heldReason(result, instances, this.#panicSinceMs !== undefined);
    return {
      instances: result,
      reason: result === instances ? reason : held(),
      unsettled: load.latest > 0 || load.panicMean > 0 || result > least || have !== result,
    };
  }

  /** What a panic, or not having seen a whole window yet, keeps. */
  #hold(instances: number, before: number, burst: boolean, nowMs: number): number {
    const { stableWindowMs } = this.#policy;
    if (burst) this.#panicSinceMs = nowMs;
    else if (this.#panicSinceMs !== undefined && nowMs - this.#panicSinceMs >= stableWindowMs)
      this.#panicSinceMs = undefined;
    const seenMs = nowMs - (this.#firstMs ?? nowMs);
    const held = this.#panicSinceMs !== undefined || seenMs < stableWindowMs;
    return held ? Math.max(instances, before) : instances;
  }

  #rest(): void {
    this.#wanted = 0;
    this.#panicSinceMs = undefined;
    this.#recommended = new Window(this.#policy.scaleDownDelayMs);
  }

  #reset(): void {
    this.#rest();
    this.#wanted = undefined;
    this.#firstMs = undefined;
  }
}

function heldReason(result: number, asked: number, panic: boolean): string {
  if (result < asked) return `${asked} would be needed, ${result} are the most there may be`;
  if (panic) return "after a burst nothing is taken away for a while";
  return asked === 0 ? "idleness ends the last one" : "fewer have not been enough for long enough";
}
