import type { Logger } from "pino";
import { Ends } from "../../registry/ends.ts";
import type { HostModeState } from "../../registry/host-record.ts";
import { steadyMs } from "../../sdk/steady.ts";

/** Longest time of a Node timer, ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Ends what still runs of a host's jobs when the time in which it was to be emptied is over. Until then they go on: what a job has done
 * cannot be moved. Orders try them again elsewhere.
 */
export class JobsDeadline {
  readonly #stopAll: (reason: string) => Promise<void>;
  readonly #log: Logger;
  readonly #ends = new Ends();
  #timer: NodeJS.Timeout | undefined;

  /** @param stopAll Ends all jobs, and says why. */
  constructor(stopAll: (reason: string) => Promise<void>, log: Logger) {
    this.#stopAll = stopAll;
    this.#log = log;
  }

  /** Takes what is wanted of the host from now on; undefined: nothing. */
  follow(mode: HostModeState | undefined): void {
    clearTimeout(this.#timer);
    if (mode?.deadlineMs === undefined) {
      this.#ends.forget("host");
      return;
    }
    const { deadlineMs, atMs } = mode;
    const nowMs = steadyMs();
    // The leader wrote it by the clock of its own host.
    const leftMs = Math.max(0, this.#ends.of("host", deadlineMs, deadlineMs - atMs, nowMs) - nowMs);
    const over = () => (leftMs > LONGEST_TIMER ? this.follow(mode) : this.#over(mode));
    this.#timer = setTimeout(over, Math.min(leftMs, LONGEST_TIMER)).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #over({ mode, reason }: HostModeState): void {
    const why = `its host ${mode === "draining" ? "drains" : "is in maintenance"}${reason === "" ? "" : ` (${reason})`}, and the time for that is over`;
    this.#stopAll(why).catch((err) => this.#log.error({ err }, "jobs of a host that drains are not ended"));
  }
}
