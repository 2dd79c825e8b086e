import type { OperationRow } from "../operations/record.ts";
import type { NewOperation } from "../operations/store.ts";

/** A run that was written to the database. */
export interface StartedRun {
  /** The new run, or the one that has its idempotency key already. */
  readonly row: OperationRow;
  /**
   * Where this process works on it: resolves at its end; to undefined when somebody else ended it, or this process has let go of it.
   */
  readonly ended?: Promise<OperationRow | undefined>;
}

/** Who works on runs. */
export interface RunWorker {
  /** Takes a run up as soon as it is written. @throws what `write` throws. */
  start(made: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun>;
}

/**
 * Hands the runs that this process is asked for to its own engine, where it leads: that need not hear of them from the database,
 * and read them there.
 */
export class LocalRuns {
  #worker: RunWorker | undefined;

  /** @returns ends it. */
  lead(worker: RunWorker): () => void {
    this.#worker = worker;
    return () => {
      if (this.#worker === worker) this.#worker = undefined;
    };
  }

  /** Writes an operation. @throws what `write` throws. */
  async start(made: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun> {
    // The database says in which order runs of a key come.
    if (this.#worker === undefined || !made.durable || made.key !== "") return { row: await write() };
    return this.#worker.start(made, write);
  }
}
