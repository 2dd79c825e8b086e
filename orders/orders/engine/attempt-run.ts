import type { Logger } from "pino";
import { RouseError } from "../../../sdk/errors.ts";
import type { Contracts } from "../contract/contracts.ts";
import type { AttemptKey, EngineStore, LogEntry } from "../store/engine-store.ts";
import type { TaskRow } from "../store/record.ts";
import { type Ending, type Executor, NOTHING_USED, type Outcome, STOP } from "./executor.ts";
import { makeAttempt } from "./request.ts";
import { judge } from "./verdict.ts";

export interface AttemptDeps {
  readonly store: EngineStore;
  readonly contracts: Contracts;
  readonly executors: Readonly<Record<"job" | "call", Executor>>;
  readonly log: Logger;
}

/** How often progress is written down, ms. */
const PROGRESS_MS = 500;

/** One attempt at a task, from its beginning to the note of its end. */
export class AttemptRun {
  readonly orderId: string;
  readonly task: string;
  readonly host: string | undefined;
  /** Set once it is written that it has begun. */
  attempt: number | undefined;
  ended: Promise<void> = Promise.resolve();
  readonly #deps: AttemptDeps;
  readonly #start: () => Promise<TaskRow | undefined>;
  readonly #stop = new AbortController();

  constructor(
    deps: AttemptDeps,
    of: {
      orderId: string;
      task: string;
      host: string | undefined;
      start: () => Promise<TaskRow | undefined>;
    },
  ) {
    this.#deps = deps;
    this.orderId = of.orderId;
    this.task = of.task;
    this.host = of.host;
    this.#start = of.start;
  }

  /** @param reason as {@link Executor.run} has it. */
  abort(reason: Error): void {
    this.#stop.abort(reason);
  }

  /**
   * @returns true when the host has refused it.
   * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; what is written says how to go on.
   */
  async run(leads: AbortSignal): Promise<boolean> {
    if (leads.aborted) return false;
    const row = await this.#start();
    if (row === undefined) return false;
    this.attempt = row.attempts;
    const key = { orderId: row.order_id, task: row.name, attempt: row.attempts };
    const ending = await this.#execute(row, key);
    if (ending === undefined) return false;
    if (ending.outcome.kind === "refused") {
      await this.#deps.store.refused(key);
      return true;
    }
    await this.#note(row, key, ending);
    await ending.recorded?.();
    return false;
  }

  async #execute(row: TaskRow, key: AttemptKey): Promise<Ending | undefined> {
    const { store, contracts, executors, log } = this.#deps;
    const report = new ProgressNotes((fraction, note) => store.progress(key, fraction, note), log);
    try {
      const attempt = await makeAttempt(row, store, contracts);
      return await executors[row.kind].run(attempt, report.tell, this.#stop.signal);
    } catch (thrown) {
      const error = RouseError.from(thrown);
      // Executors tell what becomes of the task; what they throw as UNAVAILABLE is the database's or Consul's.
      if (error.status === "UNAVAILABLE") throw error;
      return { outcome: { kind: "failed", error, blame: "task" }, used: NOTHING_USED, lines: [] };
    } finally {
      report.close();
    }
  }

  async #note(row: TaskRow, key: AttemptKey, { outcome, used, lines }: Ending): Promise<void> {
    const { store } = this.#deps;
    const own = (atMs: number, line: string): LogEntry => ({ stream: "order", atMs, line });
    const begin = `attempt ${key.attempt} of ${row.service}/${row.method} ${row.version}${row.host === null ? "" : ` on host ${row.host}`}`;
    const first = own(row.attempt_at?.getTime() ?? Date.now(), begin);
    const stopped = this.#stop.signal.reason === STOP;
    const { words, write } = stopped
      ? { words: "stopped", write: undefined }
      : this.#verdict(row, key, outcome);
    // Before the end is written, which is when others look for it; and once, though it may be come to again after a crash.
    await store.note(key, used, [first, ...lines, own(Date.now(), words)]);
    await write?.();
  }

  #verdict(
    row: TaskRow,
    key: AttemptKey,
    outcome: Outcome,
  ): { words: string; write: () => Promise<unknown> } {
    const { store } = this.#deps;
    if (outcome.kind === "succeeded") return { words: "succeeded", write: () => store.succeed(key, outcome) };
    const { error } = outcome;
    const blame = outcome.kind === "failed" ? outcome.blame : "host";
    const verdict = judge({ error, blame, failures: row.failures, faults: row.faults, retries: row.retries });
    const words = `failed: ${error.message} (${error.status}, ${error.reason})`;
    if (!verdict.again) return { words, write: () => store.fail(key, error) };
    const { afterMs, counted } = verdict;
    return {
      words: `${words}; it is tried again in ${afterMs / 1_000} s`,
      write: () => store.again(key, error, afterMs, counted),
    };
  }
}

/** Writes progress down from time to time, the newest always. */
class ProgressNotes {
  readonly #write: (fraction: number, note: string) => Promise<unknown>;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #newest: readonly [number, string] | undefined;

  constructor(write: (fraction: number, note: string) => Promise<unknown>, log: Logger) {
    this.#write = write;
    this.#log = log;
  }

  readonly tell = (fraction: number, note: string): void => {
    this.#newest = [fraction, note];
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const [now, words] = this.#newest ?? [0, ""];
      this.#write(now, words).catch((err) => this.#log.warn({ err }, "progress of a task was not noted"));
    }, PROGRESS_MS);
  };

  close(): void {
    clearTimeout(this.#timer);
  }
}
