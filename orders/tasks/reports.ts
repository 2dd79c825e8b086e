import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { RouseError } from "../../sdk/errors.ts";
import type { TaskStore } from "./store.ts";
import type { ReportOutcome, WorkerStore, WorkReport } from "./workers.ts";

/** Pause before the database is asked again, ms. */
const AWAY_MS = 500;
const MOST_AT_ONCE = 200;

interface Waiting {
  readonly report: WorkReport;
  readonly resolve: (outcome: ReportOutcome) => void;
}

/**
 * Notes the reports of this process's workers down: what comes while one transaction is under way goes into the next one. Reports
 * wait while the database is away. Subtasks that ended are handed over to their parents at once.
 */
export class Reports {
  readonly #workers: WorkerStore;
  readonly #tasks: TaskStore;
  readonly #log: Logger;
  readonly #parents = new Set<string>();
  #waiting: Waiting[] = [];
  #writing = false;
  #collecting = false;

  constructor(workers: WorkerStore, tasks: TaskStore, log: Logger) {
    this.#workers = workers;
    this.#tasks = tasks;
    this.#log = log;
  }

  /** Resolves when it is on disk. */
  add(report: WorkReport): Promise<ReportOutcome> {
    return new Promise((resolve) => {
      this.#waiting.push({ report, resolve });
      if (!this.#writing) void this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST_AT_ONCE);
      const outcomes = await this.#note(batch.map(({ report }) => report));
      for (const [at, { resolve }] of batch.entries()) {
        const outcome = outcomes[at];
        if (outcome === undefined) continue;
        if (outcome.accepted && outcome.parent !== "") this.#parents.add(outcome.parent);
        resolve(outcome);
      }
      if (this.#parents.size > 0 && !this.#collecting) void this.#collect();
    }
    this.#writing = false;
  }

  /** Waits for a database that is away; a process that ends meanwhile need not wait, as workers say it again to the next. */
  async #note(reports: readonly WorkReport[]): Promise<ReportOutcome[]> {
    for (;;) {
      try {
        return await this.#workers.report(reports);
      } catch (thrown) {
        const error = RouseError.from(thrown);
        if (error.status === "UNAVAILABLE") {
          await sleep(AWAY_MS, undefined, { ref: false });
          continue;
        }
        this.#log.error({ err: thrown }, "reports of workers were not noted down");
        if (reports.length === 1) return [{ accepted: false, error }];
        // The others are not to suffer from the one that is at fault.
        const outcomes: ReportOutcome[] = [];
        for (const report of reports) outcomes.push(...(await this.#note([report])));
        return outcomes;
      }
    }
  }

  async #collect(): Promise<void> {
    this.#collecting = true;
    while (this.#parents.size > 0) {
      const parents = [...this.#parents];
      this.#parents.clear();
      try {
        await this.#tasks.collectSubtasks(parents);
      } catch (err) {
        // The leader looks for such ones each second.
        this.#log.warn({ err }, "subtasks were not handed over to their parents at once");
      }
    }
    this.#collecting = false;
  }
}
