import type { OperationRow } from "../operations/record.ts";
import type { NewOperation } from "../operations/store.ts";

/** A run, or an async call, that was written to the database. */
export interface StartedRun {
  /** The new one, or the one that has its idempotency key already. */
  readonly row: OperationRow;
  /**
   * Where this process works on it: resolves at its end; to undefined when somebody else ended it, or this process has let go of it.
   */
  readonly ended?: Promise<OperationRow | undefined>;
}

/** Who works on runs, or makes calls. */
export interface RunWorker {
  /** Takes a run up as soon as it is written. @throws what `write` throws. */
  start(made: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun>;
}

/**
 * Hands the runs and calls that this process is asked for to its own engines, where it leads: these need not hear of them from the
 * database, and read them there.
 */
export class LocalRuns {
  readonly #workers = new Map<"runs" | "calls", RunWorker>();

  /** @returns ends it. */
  lead(worker: RunWorker, of: "runs" | "calls" = "runs"): () => void {
    this.#workers.set(of, worker);
    return () => {
      if (this.#workers.get(of) === worker) this.#workers.delete(of);
    };
  }

  /** Writes an operation. @throws what `write` throws. */
  async start(made: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun> {
    // The database says in which order runs of a key come.
    const worker = made.key === "" ? this.#workers.get(made.durable ? "runs" : "calls") : undefined;
    return worker === undefined ? { row: await write() } : worker.start(made, write);
  }
}
