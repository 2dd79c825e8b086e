import type { Wake } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { clusterName, type Target } from "../registry/target.ts";
import { exportSpans, type FinishedSpan, newSpanId, newTraceId, preciseNow } from "../sdk/tracing/index.ts";

const KEPT = 500;
/** Stage in the record → span for the time that led there from the stage before. */
const stages = [
  ["placedMs", "place"],
  ["createdMs", "create"],
  ["startedMs", "start"],
  ["readyMs", "ready"],
  ["pushedMs", "push"],
  ["releasedMs", "release"],
] as const;

export type Stage = (typeof stages)[number][0];

/** The latest wakes with their stages; each is exported as a span tree when it ends. */
export class Wakes {
  /** Oldest first. */
  readonly #all: Wake[] = [];
  readonly #open = new Map<string, Wake>();
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();

  constructor(now: () => number = preciseNow) {
    this.#now = now;
  }

  /** Calls are held for the target. @returns since when, ms since 1970. */
  held(target: Target): number {
    const name = clusterName(target);
    const known = this.#open.get(name);
    if (known !== undefined) return known.heldMs;
    const wake: Wake = {
      ...target,
      host: "",
      traceId: newTraceId(),
      heldMs: this.#now(),
      placedMs: 0,
      createdMs: 0,
      startedMs: 0,
      readyMs: 0,
      pushedMs: 0,
      releasedMs: 0,
      error: "",
    };
    this.#open.set(name, wake);
    this.#all.push(wake);
    if (this.#all.length > KEPT) this.#drop();
    this.#tell();
    return wake.heldMs;
  }

  /**
   * Notes times that somebody else measured; those that are 0 are unknown. They may come a moment after the wake has ended;
   * what comes when it has them is of an instance that was started later, as by scaling.
   */
  times(name: string, times: Partial<Record<Stage, number>>, host: string): void {
    const open = this.#open.get(name);
    const wake = open ?? this.#latest(name);
    if (wake === undefined || (open === undefined && isTold(wake))) return;
    if (host !== "") wake.host = host;
    for (const [stage, at] of Object.entries(times) as [Stage, number][]) {
      if (at > 0) wake[stage] = at;
    }
  }

  /** Notes that a stage was reached now, for the first time. */
  reached(name: string, stage: Stage): void {
    const wake = this.#open.get(name);
    if (wake !== undefined && wake[stage] === 0) wake[stage] = this.#now();
  }

  /** The calls go on. */
  released(name: string): void {
    const wake = this.#open.get(name);
    if (wake === undefined) return;
    wake.releasedMs = this.#now();
    this.#end(name, wake, wake.releasedMs);
  }

  failed(name: string, error: string): void {
    const wake = this.#open.get(name);
    if (wake === undefined) return;
    wake.error = error;
    this.#end(name, wake, this.#now());
  }

  /** Newest first. */
  list(service: string, limit: number): Wake[] {
    const chosen = this.#all.filter((wake) => service === "" || wake.service === service);
    return latest(chosen.reverse(), limit);
  }

  /** Those that are under way, oldest first. */
  underWay(): Wake[] {
    return [...this.#open.values()];
  }

  /**
   * Tells each time that a wake begins or ends; it must return quickly, for calls are held meanwhile.
   *
   * @returns what ends it.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #end(name: string, wake: Wake, endMs: number): void {
    this.#open.delete(name);
    this.#tell();
    // The orchestrator's own times may come a moment after the cluster's release.
    setTimeout(() => exportSpans("rouse-mesh-config", spans(wake, endMs)), 200).unref();
  }

  #latest(name: string): Wake | undefined {
    return this.#all.findLast((wake) => clusterName(wake) === name);
  }

  #drop(): void {
    const oldest = this.#all.shift();
    if (oldest !== undefined) this.#open.delete(clusterName(oldest));
  }
}

/** Whether the times of the start that ended it are known. */
function isTold({ error, placedMs, readyMs }: Wake): boolean {
  return (error === "" ? readyMs : placedMs) > 0;
}

/** The newest of them, newest first. @param limit 0: 20. */
export function latest(wakes: readonly Wake[], limit: number): Wake[] {
  return wakes.toSorted((a, b) => b.heldMs - a.heldMs).slice(0, limit === 0 ? 20 : limit);
}

/** A root span from held to released, and below it one for each stage; `rouse.cluster` is Envoy's upstream_cluster. */
export function spans(wake: Wake, endMs: number): FinishedSpan[] {
  const { service, version, generation, host, traceId, error } = wake;
  const attributes = { "rouse.cluster": clusterName(wake), service, version, generation, host };
  const spanId = newSpanId();
  const children: FinishedSpan[] = [];
  let from = wake.heldMs;
  for (const [stage, name] of stages) {
    const at = wake[stage];
    if (at === 0) continue;
    const span = { traceId, spanId: newSpanId(), parentSpanId: spanId, name: `wake ${name}` };
    // Other processes' clocks may be off by a little: a stage begins where the last one ended, and none outlasts the wake.
    const to = Math.min(Math.max(from, at), endMs);
    children.push({ ...span, startMs: from, endMs: to, attributes });
    from = to;
  }
  const root = { traceId, spanId, name: `wake ${service}@${version}`, startMs: wake.heldMs, endMs };
  return [{ ...root, attributes, ...(error !== "" && { error }) }, ...children];
}
