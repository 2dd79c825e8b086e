import { type Task, TaskState } from "#proto/rouse/orders/v1/tasks.ts";
import { errorOf } from "../error-record.ts";
import type { RouseError } from "../errors.ts";
import type { TaskAnswers } from "./queue.ts";

/** A task as it is at one moment. */
export interface TaskView<Result> {
  readonly id: string;
  readonly queue: string;
  readonly state:
    | "unassigned"
    | "assigned"
    | "working"
    | "wait_for_subtasks"
    | "sleeping"
    | "done_calculating"
    | "collected"
    | "failed"
    | "cancelled";
  /** Grows with each change. */
  readonly revision: number;
  /** undefined: it is nobody's subtask. */
  readonly parent: string | undefined;
  /** What the handler said last; undefined: nothing. */
  readonly progress: { readonly fraction: number; readonly note: string } | undefined;
  /** Set when it is done. */
  readonly result: Result | undefined;
  /** Set when it has failed or was cancelled. */
  readonly error: RouseError | undefined;
  /** Worker that has it or had it last; empty: nobody yet. */
  readonly worker: string;
  /** How often it was given to a worker. */
  readonly assignment: number;
  /** Workers that were lost with it. */
  readonly losses: number;
  /** Tries that failed. */
  readonly failures: number;
  /** Subtasks that are not collected yet. */
  readonly pending: number;
}

const words: Readonly<Partial<Record<TaskState, TaskView<unknown>["state"]>>> = {
  [TaskState.UNASSIGNED]: "unassigned",
  [TaskState.ASSIGNED]: "assigned",
  [TaskState.WORKING]: "working",
  [TaskState.WAIT_FOR_SUBTASKS]: "wait_for_subtasks",
  [TaskState.SLEEPING]: "sleeping",
  [TaskState.DONE_CALCULATING]: "done_calculating",
  [TaskState.COLLECTED]: "collected",
  [TaskState.FAILED]: "failed",
  [TaskState.CANCELLED]: "cancelled",
};

export function viewOf<Result>(queue: TaskAnswers<Result>, task: Task): TaskView<Result> {
  const { id, revision, progress, worker, assignment, losses, failures, pending } = task;
  const state = words[task.state] ?? "unassigned";
  const done = state === "done_calculating" || state === "collected";
  return {
    id,
    queue: task.queue,
    state,
    revision,
    parent: task.parent === "" ? undefined : task.parent,
    progress,
    result: done ? queue.decodeResult(task.result) : undefined,
    error:
      (state === "failed" || state === "cancelled") && task.error !== undefined
        ? errorOf(task.error)
        : undefined,
    worker,
    assignment,
    losses,
    failures,
    pending,
  };
}

export function isOver({ state }: Pick<TaskView<unknown>, "state">): boolean {
  return state === "done_calculating" || state === "collected" || state === "failed" || state === "cancelled";
}
