import { versionKey } from "../registry/target.ts";

type Version = { readonly service: string; readonly version: string };

interface Setback {
  readonly failures: number;
  /** ms since 1970. */
  readonly untilMs: number;
}

/** Back-off after the n-th failed start in a row, ms: 2 s, doubling, 5 min at most. */
export function backOffMs(failures: number): number {
  return Math.min(2_000 * 2 ** Math.max(0, failures - 1), 300_000);
}

/**
 * Failed starts of versions that serve all the same: nobody's calls fail for it, so that nothing need be written to
 * Consul, but the next try waits.
 */
export class Setbacks {
  readonly #setbacks = new Map<string, Setback>();

  /** Notes a failed start. @returns the pause before the next one, ms. */
  note(version: Version, nowMs: number): number {
    const key = versionKey(version);
    const failures = (this.#setbacks.get(key)?.failures ?? 0) + 1;
    const waitMs = backOffMs(failures);
    this.#setbacks.set(key, { failures, untilMs: nowMs + waitMs });
    return waitMs;
  }

  /** A start went well. */
  clear(version: Version): void {
    this.#setbacks.delete(versionKey(version));
  }

  /** Before when no further start should be tried, ms since 1970; 0: at once. */
  untilMs(version: Version): number {
    return this.#setbacks.get(versionKey(version))?.untilMs ?? 0;
  }
}
