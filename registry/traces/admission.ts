/** Most traces that are remembered as turned away. */
const REMEMBERED = 10_000;

/**
 * Decides which new traces are kept: so many per second, and a trace as a whole, so that a busy mesh that traces each call
 * fills neither the disk nor a core.
 */
export class Admission {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #refused = new Set<string>();
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#atMs = now();
  }

  /** True when a trace that is not known yet is to be kept. */
  admit(traceId: string): boolean {
    // Later spans of a trace must not slip in without its first.
    if (this.#refused.has(traceId)) return false;
    const now = this.#now();
    this.#tokens = Math.min(
      this.#burst,
      this.#tokens + (Math.max(0, now - this.#atMs) / 1_000) * this.#perSecond,
    );
    this.#atMs = now;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    this.#refused.add(traceId);
    if (this.#refused.size > REMEMBERED) {
      const [oldest = ""] = this.#refused;
      this.#refused.delete(oldest);
    }
    return false;
  }
}
