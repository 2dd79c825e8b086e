import type { Logger } from "pino";
import type { ManagedInstance } from "../instance.ts";

/** How often it is looked whether somebody waits for an instance on standby, ms. */
const lookMs = 1_000;

/**
 * Thaws instances in whose socket connections wait that nobody has them thawed for: calls are sent to an instance as the
 * command to thaw it is on its way, and whoever was to give that command may have died.
 */
export class CallerWatch {
  readonly #standbys: () => readonly ManagedInstance[];
  readonly #log: Logger;
  /** Ids of those for which somebody waited at the last look. */
  #awaited: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(standbys: () => readonly ManagedInstance[], log: Logger) {
    this.#standbys = standbys;
    this.#log = log;
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look().then(() => this.start()), lookMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const awaited = new Set<string>();
    for (const instance of this.#standbys()) {
      const { id, address, generation } = instance.record;
      if (((await instance.unit?.pending(address).catch(() => 0)) ?? 0) === 0) continue;
      if (!this.#awaited.has(id)) awaited.add(id);
      else {
        this.#log.warn({ instance: id }, "somebody waits for an instance on standby; it is thawed unasked");
        await instance.standby
          .resume(generation)
          .catch((err) => this.#log.warn({ err, instance: id }, "it is not thawed"));
      }
    }
    this.#awaited = awaited;
  }
}
