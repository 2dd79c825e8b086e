import type { Logger } from "pino";
import { RouseError } from "../../sdk/errors.ts";

/** Who stores one often reads it at once, and is not to be slowed by this; ms. */
const AFTER_MS = 3_000;

/** Reads contents soon after they were stored of which only some blocks were compared, one at a time. What ends with the process, reads do. */
export class Recheck {
  readonly #read: (digest: string, signal: AbortSignal) => Promise<unknown>;
  readonly #log: Logger;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #closing = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** @param read All of a content, until the signal aborts; notes what is damaged. */
  constructor(read: (digest: string, signal: AbortSignal) => Promise<unknown>, log: Logger) {
    this.#read = read;
    this.#log = log;
  }

  soon(digest: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#last = this.#last.then(() => this.#check(digest));
    }, AFTER_MS);
    timer.unref();
    this.#timers.add(timer);
  }

  /** Nothing is begun any more, and what is read ends with its block. */
  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #check(digest: string): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    try {
      await this.#read(digest, signal);
    } catch (error) {
      // It may be gone by now, or the database away; whoever reads it compares it.
      if (error instanceof RouseError && error.status === "DATA_LOSS")
        this.#log.error({ err: error }, "an artifact is not what was stored");
    }
  }
}
