import type { RouseError } from "../../../sdk/errors.ts";
import type { AttemptKey, LogEntry, Success, Used } from "../store/engine-store.ts";
import type { OrderRow, TaskRow } from "../store/record.ts";

/** One attempt at a task, with all that it needs of others put in. */
export interface Attempt {
  readonly key: AttemptKey;
  readonly task: TaskRow;
  /** Whose the order is: what it begins is theirs as well. */
  readonly order: Pick<OrderRow, "asker" | "caller">;
  /** The request message, encoded. */
  readonly request: Buffer;
  /** The same as JSON. */
  readonly requestJson: string;
  /** URIs by name. */
  readonly inputs: Readonly<Record<string, string>>;
}

export type Outcome =
  | ({ readonly kind: "succeeded" } & Success)
  /** `blame: "host"`: the task itself is not at fault. */
  | { readonly kind: "failed"; readonly error: RouseError; readonly blame: "task" | "host" }
  /** The host has no room; there was no attempt. */
  | { readonly kind: "refused"; readonly error: RouseError };

/** What is known at the end of an attempt. */
export interface Ending {
  readonly outcome: Outcome;
  readonly used: Used;
  readonly lines: readonly LogEntry[];
  /** To be called once all of it is written down. */
  recorded?(): Promise<void>;
}

/** Something that does tasks of one kind. */
export interface Executor {
  /**
   * Does an attempt, or goes on with it where an earlier process has begun it: the same key is never done twice.
   *
   * @param progress told from time to time.
   * @param signal with the reason {@link STOP} the attempt is to be stopped, and the ending told; with any other one it is let go of,
   *   as another process goes on with it.
   * @returns undefined when it was let go of.
   */
  run(
    attempt: Attempt,
    progress: (fraction: number, note: string) => void,
    signal: AbortSignal,
  ): Promise<Ending | undefined>;
}

/** Why an attempt is stopped: the order was cancelled. */
export const STOP = new Error("the order is over");
/** Why an attempt is let go of. */
export const LET_GO = new Error("another process goes on with it");

export const NOTHING_USED: Used = {
  wallMs: 0,
  cpuMs: 0,
  memoryPeakBytes: 0,
  readBytes: 0,
  writtenBytes: 0,
  cost: 0,
};
