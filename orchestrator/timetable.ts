import { steadyMs } from "../sdk/steady.ts";

/** Timers take 32 bits. */
const LONGEST_MS = 2 ** 31 - 1;
/** What is due in less than that is looked at together, ms. */
const LEAST_MS = 10;

/** When to look at what again: one timer for any number of keys. */
export class Timetable {
  readonly #due: (key: string) => void;
  readonly #at = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  /** @param due told each key once, at its time or a little later. */
  constructor(due: (key: string) => void) {
    this.#due = due;
  }

  /** @param atMs ms since 1970; infinity: never. Replaces what was set for the key. */
  set(key: string, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      // The timer then finds nothing, or others.
      this.#at.delete(key);
      return;
    }
    this.#at.set(key, atMs);
    if (atMs < this.#timerMs) this.#arm(atMs);
  }

  clear(): void {
    this.#at.clear();
    clearTimeout(this.#timer);
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timerMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(atMs - steadyMs(), LEAST_MS), LONGEST_MS);
    this.#timer = setTimeout(() => this.#look(), delay).unref();
  }

  #look(): void {
    const nowMs = steadyMs();
    this.#timerMs = Number.POSITIVE_INFINITY;
    const due = [...this.#at].filter(([, at]) => at <= nowMs).map(([key]) => key);
    for (const key of due) this.#at.delete(key);
    for (const key of due) this.#due(key);
    // A timer may fire a millisecond before the clock says so, and find nothing due.
    let soonest = Number.POSITIVE_INFINITY;
    for (const at of this.#at.values()) soonest = Math.min(soonest, at);
    if (soonest < this.#timerMs) this.#arm(soonest);
  }
}
