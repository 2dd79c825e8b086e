import type { Policy } from "./policy.ts";

/** What is known of a version's load at one moment: calls and streams in progress, over all its instances. */
export interface LoadFigures {
  /** In the latest report. */
  readonly latest: number;
  /** Mean over the panic window. */
  readonly panicMean: number;
  /** Mean over the stable window. */
  readonly stableMean: number;
}

export interface Recommendation {
  /** Instances that the load needs; between 0 and any number. */
  readonly instances: number;
  /** The load came so suddenly that nothing is taken away for a while. */
  readonly burst: boolean;
  /** Why, as a clause. */
  readonly reason: string;
}

/** A burst needs so many times the instances that are there: panic-threshold-percentage 200 of Knative. */
const BURST_FACTOR = 2;
/** One step takes away at most this part of the instances: max-scale-down-rate 2 of Knative. */
const DOWN_RATE = 2;

/**
 * How many instances a load needs, before minimum, maximum and delay.
 *
 * - Growth: ⌈load / (target · high)⌉, the fewest whose share is not above the high watermark. The load is the mean over the panic
 *   window, or the latest report alone in a burst, which is when that needs twice what is there. Formula, threshold and the rule
 *   that a burst takes nothing away are those of Knative's autoscaler (pkg/autoscaler/scaling/autoscaler.go in
 *   knative.dev/serving: dspc = ⌈observed/target⌉, isOverPanicThreshold), but that its panic window is waited for.
 * - Shrinking: when the means over both windows are below the low watermark, ⌈load / (target · (low + high) / 2)⌉, so that what
 *   stays is in the middle of the band; at least half of what is there (maxScaleDown = ⌊ready / rate⌋, the same file).
 * - Between the watermarks nothing moves.
 *
 * @param have Instances that serve or start.
 */
export function recommend(policy: Policy, load: LoadFigures, have: number): Recommendation {
  const { targetConcurrency: target, highWatermark: high, lowWatermark: low } = policy;
  const fewest = (calls: number, share: number) => Math.ceil(calls / (target * share) - 1e-9);
  const now = fewest(load.latest, high);
  if (now > have && now >= BURST_FACTOR * Math.max(1, have))
    return { instances: now, burst: true, reason: `a burst: ${count(load.latest)} in progress` };
  const lately = fewest(load.panicMean, high);
  if (lately > have)
    return { instances: lately, burst: false, reason: `${count(load.panicMean)} in progress lately` };
  const mean = Math.max(load.stableMean, load.panicMean);
  if (have > 0 && mean < low * target * have) {
    const instances = Math.max(fewest(mean, (low + high) / 2), Math.floor(have / DOWN_RATE));
    if (instances < have)
      return { instances, burst: false, reason: `${count(mean)} in progress for a while` };
  }
  return { instances: have, burst: false, reason: `${count(mean)} in progress` };
}

function count(calls: number): string {
  return String(Math.round(calls * 10) / 10);
}
