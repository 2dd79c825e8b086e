import { BLAME_WINDOW_MS, type Blame, blame, type Outcome } from "./blame.ts";

/** More outcomes than this are not kept: the newest of each version and host says all. */
const MOST_KEPT = 20_000;

/** How what was started and ran has gone lately, and who is to blame. */
export class Outcomes {
  /** By version and host, in the order in which they came. */
  readonly #newest = new Map<string, Outcome>();
  readonly #listeners = new Set<() => void>();

  note(outcome: Outcome): void {
    const key = `${outcome.version} ${outcome.host}`;
    const before = this.#newest.get(key);
    this.#newest.delete(key);
    this.#newest.set(key, outcome);
    const [oldest] = this.#newest.keys();
    if (this.#newest.size > MOST_KEPT && oldest !== undefined) this.#newest.delete(oldest);
    // That all goes well, as it did, is no news.
    if (outcome.failed || before?.failed === true) for (const listener of this.#listeners) listener();
  }

  /** Who is to blame now. */
  blame(nowMs: number): Blame {
    for (const [key, { atMs }] of this.#newest) {
      if (nowMs - atMs <= BLAME_WINDOW_MS) break;
      this.#newest.delete(key);
    }
    return blame([...this.#newest.values()], nowMs);
  }

  /** Forgets what a host or an instance's version did there: a person has seen to it. */
  forgive(host: string): void {
    for (const [key, outcome] of this.#newest) if (outcome.host === host) this.#newest.delete(key);
  }

  onFailure(listener: () => void): void {
    this.#listeners.add(listener);
  }

  clear(): void {
    this.#newest.clear();
  }
}
