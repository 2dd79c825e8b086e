import type { Logger } from "pino";
import type { LeftOut } from "#proto/rouse/agent/v1/agent.ts";
import { type OutlierEvent, outlierLogOf, parseOutlierLine } from "../../mesh-config/outlier-log.ts";
import { addressKey } from "../../registry/target.ts";
import { OutlierFile } from "./outlier-file.ts";

/** How often an instance was left out is told of so long a time, ms. */
const WINDOW_MS = 120_000;
/** More instances are not kept; the oldest are forgotten. */
const MOST_KEPT = 5_000;

interface Known {
  readonly service: string;
  readonly version: string;
  readonly address: string;
  /** When it was left out, by the clock of {@link Outliers}, the latest last. */
  readonly atMs: readonly number[];
  readonly untilMs: number;
  readonly why: string;
}

type Listener = (changed: readonly LeftOut[]) => void;

/** What this host's Envoy left out of its choice lately. Its times are of a clock that does not jump. */
export class Outliers {
  readonly #nowMs: () => number;
  /** In the order of the latest event. */
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<Listener>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Takes what Envoy wrote, each with how long ago that was, ms. */
  note(events: readonly { readonly event: OutlierEvent; readonly agoMs: number }[]): void {
    const nowMs = this.#nowMs();
    const changed = new Set<string>();
    for (const { event, agoMs } of events) {
      const { service, version, address, isOut, forMs, why } = event;
      const key = addressKey(event, address);
      const before = this.#known.get(key);
      if (!isOut && before === undefined) continue;
      const atMs = nowMs - agoMs;
      const times = [...(before?.atMs ?? []), ...(isOut ? [atMs] : [])].filter(
        (time) => nowMs - time <= WINDOW_MS,
      );
      const untilMs = isOut ? atMs + forMs : atMs;
      this.#known.delete(key);
      changed.add(key);
      this.#known.set(key, {
        ...{ service, version, address, untilMs },
        atMs: times,
        why: isOut ? why : (before?.why ?? ""),
      });
    }
    const told = [...changed].flatMap((key) => tell(this.#known.get(key), nowMs));
    for (const [key, { atMs, untilMs }] of this.#known) {
      const isOld = nowMs > untilMs && nowMs - (atMs.at(-1) ?? 0) > WINDOW_MS;
      if (isOld || this.#known.size > MOST_KEPT) this.#known.delete(key);
    }
    if (told.length > 0) for (const listener of this.#listeners) listener(told);
  }

  /** Tells all there is, then what changes. @returns what ends that. */
  watch(listener: Listener): () => void {
    const nowMs = this.#nowMs();
    listener([...this.#known.values()].flatMap((known) => tell(known, nowMs)));
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function tell(known: Known | undefined, nowMs: number): LeftOut[] {
  if (known === undefined) return [];
  const { service, version, address, atMs, untilMs, why } = known;
  const agoMs = atMs.map((time) => nowMs - time).filter((ago) => ago <= WINDOW_MS);
  const outForMs = Math.max(0, untilMs - nowMs);
  return [{ service, version, address, agoMs, outForMs, why }];
}

/** Follows what the Envoy of this data folder leaves out. */
export function followOutliers(
  dataDir: string,
  log: Logger,
): { readonly known: Outliers; close(): Promise<void> } {
  const known = new Outliers();
  const take = (lines: readonly string[], isFirst: boolean) => {
    const events = lines.map(parseOutlierLine).filter((event) => event !== undefined);
    // What is read as it comes is new, whatever the clocks do.
    const agoMs = ({ atMs }: OutlierEvent) => (isFirst ? Math.max(0, Date.now() - atMs) : 0);
    known.note(events.map((event) => ({ event, agoMs: agoMs(event) })));
  };
  const file = new OutlierFile(outlierLogOf(dataDir), take, log);
  file.start();
  return { known, close: () => file.close() };
}
