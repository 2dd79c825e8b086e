import { backOffMs } from "./setbacks.ts";

interface Preparation {
  /** Host and address: a host that has come anew has nothing. */
  readonly where: string;
  /** In a row; 0: it is ready there. */
  readonly failures: number;
  /** Not before that, ms since 1970. */
  readonly againMs: number;
}

/** What was made ready where, and what is to be tried again, and when. Does nothing by itself. */
export class Preparations {
  readonly #known = new Map<string, Preparation>();

  /** Whether a version is to be made ready now. */
  isDue(key: string, where: string, nowMs: number): boolean {
    const known = this.#known.get(key);
    if (known?.where !== where) return true;
    return known.failures > 0 && nowMs >= known.againMs;
  }

  /** It is ready. */
  done(key: string, where: string): void {
    this.#known.set(key, { where, failures: 0, againMs: 0 });
  }

  /** It could not be made ready. @returns the pause before the next try, ms: 2 s, doubling, 5 min at most. */
  failed(key: string, where: string, nowMs: number): number {
    const known = this.#known.get(key);
    const failures = known?.where === where ? known.failures + 1 : 1;
    const waitMs = backOffMs(failures);
    this.#known.set(key, { where, failures, againMs: nowMs + waitMs });
    return waitMs;
  }

  /** Forgets all other versions, such as those that are registered no more. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
  }

  /** When the next one is to be tried again, ms since 1970; infinity: none. */
  againMs(): number {
    const failed = [...this.#known.values()].filter(({ failures }) => failures > 0);
    return Math.min(...failed.map(({ againMs }) => againMs));
  }
}
