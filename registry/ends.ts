/**
 * An end that somebody wrote by a clock of their own, as this clock has it: no later than the longest that it may last. Pure.
 *
 * @param endMs - As written, ms since 1970.
 * @param longestMs - For how long it may last at the most, ms.
 */
export function clampEnd(endMs: number, longestMs: number, nowMs: number): number {
  return Math.min(endMs, nowMs + longestMs);
}

/**
 * Ends that are kept in Consul, or come from another host, and are looked at again and again. Clocks differ between hosts, and jump
 * between two processes of one: what a former leader wrote may lie an hour ahead of this one's clock. So each end is taken over when it is first
 * seen, clamped to the longest that it may last, and does not move any more.
 */
export class Ends {
  readonly #seen = new Map<string, { readonly writtenMs: number; readonly endMs: number }>();

  /**
   * @param key - What ends.
   * @param writtenMs - As written, ms since 1970; another value is another end.
   * @param longestMs - For how long it may last at the most, ms.
   * @returns when it ends by this process's clock, ms since 1970.
   */
  of(key: string, writtenMs: number, longestMs: number, nowMs: number): number {
    const seen = this.#seen.get(key);
    if (seen?.writtenMs === writtenMs) return seen.endMs;
    const endMs = clampEnd(writtenMs, longestMs, nowMs);
    // What lies within its span is read the same each time, and need not be remembered.
    if (endMs === writtenMs) this.#seen.delete(key);
    else this.#seen.set(key, { writtenMs, endMs });
    return endMs;
  }

  /** It ends no more, or is gone. */
  forget(key: string): void {
    this.#seen.delete(key);
  }
}
