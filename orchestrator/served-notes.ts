import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { clusterName, type Target } from "../registry/target.ts";

/** How long after it is seen to be missing a note is made up for, ms: that of a start is under way by itself. */
const LATE_MS = 1_000;

export interface ServedNotesOptions {
  /** Whether the generation has instances, and Consul does not say that it served. */
  readonly isMissing: (target: Target) => boolean;
  readonly write: (target: Target) => Promise<void>;
  readonly log: Pick<Logger, "warn">;
  readonly lateMs?: number;
}

/**
 * Makes up for notes that a generation served which were lost, as when Consul was away at that moment, or the leader was killed.
 * Without its note a version that loses its last instance would not move on, and Envoys, which have its cluster, would not ask
 * for it again: its calls would fail until a person starts it.
 */
export class ServedNotes {
  readonly #options: ServedNotesOptions;
  readonly #pending = new Set<string>();

  constructor(options: ServedNotesOptions) {
    this.#options = options;
  }

  /** Looks whether the note of a generation is missing, and writes it until it is there. Returns at once. */
  check(target: Target): void {
    const name = clusterName(target);
    if (this.#pending.has(name) || !this.#options.isMissing(target)) return;
    this.#pending.add(name);
    void this.#makeUp(target).finally(() => this.#pending.delete(name));
  }

  async #makeUp(target: Target): Promise<void> {
    const { isMissing, write, log, lateMs = LATE_MS } = this.#options;
    for (;;) {
      await sleep(lateMs, undefined, { ref: false });
      if (!isMissing(target)) return;
      await write(target).catch((err: unknown) =>
        log.warn({ err, version: clusterName(target) }, "not noted yet that it served; it is tried again"),
      );
    }
  }
}
