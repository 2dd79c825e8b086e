import type { Logger } from "pino";
import type { Evictions } from "./evictions.ts";
import { memoryPressure, readMemory } from "./pressure.ts";

/** How often the host's memory is looked at while something is on standby, ms. */
const lookMs = 1_000;

/** Evicts instances on standby, one after the other, for as long as the host is short of real memory. */
export class PressureWatch {
  readonly #evictions: Evictions;
  readonly #keepFreeBytes: number | undefined;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param keepFreeBytes as of {@link memoryPressure}. */
  constructor(evictions: Evictions, keepFreeBytes: number | undefined, log: Logger) {
    this.#evictions = evictions;
    this.#keepFreeBytes = keepFreeBytes;
    this.#log = log;
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void this.#look()
        .catch((err) => this.#log.warn({ err }, "an instance on standby cannot be evicted"))
        .then(() => this.start());
    }, lookMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#evictions.standbys.length === 0) return;
    const memory = await readMemory();
    const reason = memory && memoryPressure(memory, this.#keepFreeBytes);
    if (reason !== undefined) await this.#evictions.evictOne(reason);
  }
}
