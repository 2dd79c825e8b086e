import { Autoscaler } from "./autoscaler.ts";
import type { Policy } from "./policy.ts";
import type { Sample } from "./sample.ts";

/** What is tried on a recorded load. */
export interface Trial {
  readonly policy: Policy;
  /** Silence after which the last instance goes, ms; 0: never. */
  readonly idleTimeoutMs: number;
  /** From the wish for an instance until it serves, ms. */
  readonly startMs: number;
}

/** How a policy would have done. */
export interface Outcome {
  /** Seconds that instances ran or started, summed over them. */
  readonly instanceSeconds: number;
  /** Most instances at one time. */
  readonly most: number;
  /** Instances that were started. */
  readonly starts: number;
  /** Seconds in which there was more load than the instances' target concurrency together. */
  readonly shortSeconds: number;
  /** Calls above that, times the seconds they were. */
  readonly overTarget: number;
  /** Seconds in which calls waited since no instance was there at all. */
  readonly coldSeconds: number;
}

const TICK_MS = 1_000;
/** Gaps in a recording have no load; those that are longer than any window and timeout matter no more, ms. */
const LONGEST_GAP_MS = 26 * 3_600_000;

interface SimulatedInstance {
  readonly servesAtMs: number;
}

/**
 * Runs a policy over recorded load, second by second, with the autoscaler that runs live. Pure. What it leaves out: load that comes
 * differently since there are other instances, starts that fail, hosts without room; an instance that goes has no calls any more.
 */
export function simulate(samples: readonly Sample[], trial: Trial): Outcome {
  const { policy, idleTimeoutMs, startMs } = trial;
  const scaler = new Autoscaler(policy);
  let instances: SimulatedInstance[] = [];
  let lastActiveMs = Number.NEGATIVE_INFINITY;
  const sum = { instanceSeconds: 0, most: 0, starts: 0, shortSeconds: 0, overTarget: 0, coldSeconds: 0 };
  const setCount = (wanted: number, nowMs: number) => {
    for (; instances.length < wanted; sum.starts++) instances.push({ servesAtMs: nowMs + startMs });
    instances = instances.slice(0, wanted);
  };
  for (const { atMs, load } of ticks(samples)) {
    const ready = instances.filter(({ servesAtMs }) => servesAtMs <= atMs).length;
    if (load > 0) lastActiveMs = atMs;
    const capacity = ready * policy.targetConcurrency;
    sum.instanceSeconds += instances.length;
    sum.most = Math.max(sum.most, instances.length);
    if (load > capacity) {
      sum.shortSeconds += 1;
      sum.overTarget += load - capacity;
    }
    if (load > 0 && ready === 0) sum.coldSeconds += 1;
    scaler.observe(load, atMs);
    const { instances: wanted } = scaler.wanted(instances.length, atMs);
    const idle = idleTimeoutMs > 0 && policy.minInstances === 0 && atMs - lastActiveMs >= idleTimeoutMs;
    setCount(idle ? 0 : Math.max(wanted, load > 0 ? 1 : 0), atMs);
  }
  return { ...sum, overTarget: Math.round(sum.overTarget) };
}

/** The fewest instances that would have been enough at each second, had they been there at once. */
export function ideal(samples: readonly Sample[], policy: Policy): Outcome {
  const sum = { instanceSeconds: 0, most: 0 };
  for (const { load } of ticks(samples)) {
    const fewest = Math.max(policy.minInstances, Math.ceil(load / policy.targetConcurrency));
    sum.instanceSeconds += fewest;
    sum.most = Math.max(sum.most, fewest);
  }
  return { ...sum, starts: 0, shortSeconds: 0, overTarget: 0, coldSeconds: 0 };
}

/** Each second from the first sample to the end of the last one; without load where there is no sample. */
function* ticks(samples: readonly Sample[]): Generator<{ atMs: number; load: number }> {
  let atMs = samples[0]?.atMs ?? 0;
  for (const sample of samples) {
    const gapEnd = sample.atMs - TICK_MS / 2;
    if (gapEnd - atMs > LONGEST_GAP_MS) atMs = sample.atMs - LONGEST_GAP_MS;
    for (; atMs < gapEnd; atMs += TICK_MS) yield { atMs, load: 0 };
    const end = sample.atMs + sample.spanMs - TICK_MS / 2;
    for (; atMs < end; atMs += TICK_MS) yield { atMs, load: sample.inProgress };
  }
}
