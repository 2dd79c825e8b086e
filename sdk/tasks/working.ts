import type { Task, WorkRequest, WorkResponse_Assignment } from "#proto/rouse/orders/v1/tasks.ts";
import type { SharedChannel } from "../client/channel.ts";
import { isAway, pause } from "../client/retry.ts";
import { callError } from "../grpc.ts";
import { clientOf } from "./client.ts";
import { fromJson, type NewSubtask, type TaskAnswers, toJson } from "./queue.ts";
import { checkSize, checkSplit } from "./size.ts";
import { type TaskView, viewOf } from "./view.ts";

/** Pause before orders that are away are asked again, ms. */
const AGAIN_MS = 200;

type What = NonNullable<WorkRequest["what"]>;

/** What a handler answers when its task is not done yet; made by `task.split` and `task.sleep`. */
export class Suspension {
  readonly said: (held: { task: string; assignment: number }) => What;

  constructor(said: (held: { task: string; assignment: number }) => What) {
    this.said = said;
  }
}

/** The task that a handler works on. */
export interface WorkingTask {
  readonly id: string;
  /** How often it was given to a worker, this time included. */
  readonly assignment: number;
  /** 1 at first; grows each time that it has waited for subtasks or slept. */
  readonly turn: number;
  /** What the former turn kept; undefined: nothing. */
  readonly kept: unknown;
  /** Workers that were lost with it. */
  readonly losses: number;
  /** Tries that failed. */
  readonly failures: number;
  /** undefined: it is nobody's subtask. */
  readonly parent: string | undefined;
  /** Aborts when the task is cancelled, the lease has ended, or the worker closes: what is answered then is not used. */
  readonly signal: AbortSignal;
  /** Tells whoever watches how far it is. @param fraction 0 to 1. */
  progress(fraction: number, note?: string): void;
  /**
   * To be returned: submits subtasks and frees the worker. When the last of them is collected, the handler is called again, maybe
   * by another worker, in the next turn.
   *
   * @param keep For the next turn, as JSON; at most 4 MiB.
   */
  split(subtasks: readonly NewSubtask[], keep?: unknown): Suspension;
  /** To be returned: frees the worker until the time is over. @param keep as of split. */
  sleep(forMs: number, keep?: unknown): Suspension;
  /** The subtasks of the former turn as they ended, in their order. */
  subtasks<Result>(queue: TaskAnswers<Result>): AsyncIterable<TaskView<Result>>;
  /** Their results. @throws RouseError the error of the first that has none. */
  results<Result>(queue: TaskAnswers<Result>): Promise<Result[]>;
}

export function workingTask(
  given: WorkResponse_Assignment,
  signal: AbortSignal,
  channel: SharedChannel,
  say: (what: What) => void,
): WorkingTask {
  const { task: id, assignment, turn, losses, failures, parent } = given;
  const held = { task: id, assignment };
  async function* subtasks<Result>(queue: TaskAnswers<Result>): AsyncGenerator<TaskView<Result>> {
    // They have ended and come in their order: after an interruption those that were told are left out.
    let told = 0;
    while (turn > 1) {
      const stream = clientOf(channel).listSubtasks({ id, turn: turn - 1, brief: false });
      const cancel = () => stream.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      try {
        let at = 0;
        for await (const found of stream as AsyncIterable<Task>) {
          if (at++ < told) continue;
          told = at;
          yield viewOf(queue, found);
        }
        return;
      } catch (thrown) {
        signal.throwIfAborted();
        const error = callError(thrown);
        if (!isAway(error)) throw error;
      } finally {
        signal.removeEventListener("abort", cancel);
        stream.cancel();
      }
      // Orders are started again; who works on the task need not fail for that.
      await pause(AGAIN_MS, signal);
    }
  }
  return {
    id,
    assignment,
    turn,
    kept: fromJson(given.keep),
    losses,
    failures,
    parent: parent === "" ? undefined : parent,
    signal,
    progress: (fraction, note = "") =>
      say({ $case: "progress", value: { held, progress: { fraction, note } } }),
    split(of, keep) {
      checkSplit(of);
      const value = { subtasks: [...of], keep: kept(keep) };
      return new Suspension((by) => ({ $case: "split", value: { held: by, ...value } }));
    },
    sleep(forMs, keep) {
      const value = { forMs: Math.max(0, Math.round(forMs)), keep: kept(keep) };
      return new Suspension((by) => ({ $case: "sleep", value: { held: by, ...value } }));
    },
    subtasks,
    async results(queue) {
      const results = [];
      for await (const { result, error } of subtasks(queue)) {
        if (error !== undefined) throw error;
        results.push(result as NonNullable<typeof result>);
      }
      return results;
    },
  };
}

function kept(keep: unknown): Buffer {
  const bytes = toJson(keep);
  checkSize("kept state", bytes);
  return bytes;
}
