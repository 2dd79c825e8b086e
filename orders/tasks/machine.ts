import type { StatusCode } from "../../sdk/status.ts";

/** The states of a task, as the database names them. */
export const TASK_STATES = [
  "unassigned",
  "assigned",
  "working",
  "wait_for_subtasks",
  "sleeping",
  "done_calculating",
  "collected",
  "failed",
  "cancelled",
] as const;
export type TaskStateName = (typeof TASK_STATES)[number];

/** An error as the database and the API have it. */
export interface TaskError {
  /** gRPC status. */
  readonly code: StatusCode;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What the machine knows of a task; payload and result are carried beside it. */
export interface TaskCore {
  readonly state: TaskStateName;
  /** Grows by one with each change. */
  readonly revision: number;
  /** Number of the latest time that it was given to a worker; 0: never yet. */
  readonly assignment: number;
  /** Who has it or had it last; empty: nobody yet. */
  readonly worker: string;
  /** Grows when it splits or sleeps of itself; from 1. */
  readonly turn: number;
  /** Subtasks of the latest split that are not collected. */
  readonly pending: number;
  readonly losses: number;
  /** It fails with so many. */
  readonly mostLosses: number;
  readonly failures: number;
  /** So many failures are followed by another try. */
  readonly retries: number;
  /** While it sleeps, ms since 1970; else 0. */
  readonly wakeAtMs: number;
  /** Who took its outcome over; empty: nobody yet. */
  readonly collectedBy: string;
  readonly error: TaskError | undefined;
}

/** Who a report is from: the worker that the task was given to under this number. */
interface Holder {
  readonly worker: string;
  readonly assignment: number;
}

/** What a worker says of a task that it has. */
export type TaskReport = Holder &
  (
    | { readonly kind: "begin" | "finish" | "release" }
    | { readonly kind: "fail"; readonly error: TaskError; readonly nowMs: number }
    | { readonly kind: "split"; readonly subtasks: number }
    | { readonly kind: "sleep"; readonly untilMs: number }
  );

/** What happens to a task. */
export type TaskEvent =
  | TaskReport
  | { readonly kind: "assign"; readonly worker: string }
  | { readonly kind: "lose"; readonly worker: string; readonly error: TaskError }
  | { readonly kind: "wake" }
  /** So many of its subtasks were collected. */
  | { readonly kind: "subtask"; readonly count: number }
  | { readonly kind: "collect"; readonly by: string }
  | { readonly kind: "cancel"; readonly error: TaskError };

/**
 * Why an event changes nothing.
 *
 * - repeated: it happened before; the one who says it again is told the same as then.
 * - late: the report's assignment is not (any more) what the worker has.
 * - over: the task has ended.
 * - open: the task has not ended.
 * - awake: the task does not sleep.
 * - taken: another has collected it.
 * - given: it is not waiting for a worker, or not of this one.
 * - whole: it waits for no subtask.
 */
export type Refusal = "repeated" | "late" | "over" | "open" | "awake" | "taken" | "given" | "whole";

/** Pauses before a task is tried again after a failure, ms: the first, doubling, the longest. */
export const RETRY_MS = { first: 1_000, longest: 300_000 } as const;

/** A task that was just submitted. */
export function newCore({ retries, mostLosses }: Pick<TaskCore, "retries" | "mostLosses">): TaskCore {
  return {
    state: "unassigned",
    revision: 1,
    assignment: 0,
    worker: "",
    turn: 1,
    pending: 0,
    losses: 0,
    mostLosses,
    failures: 0,
    retries,
    wakeAtMs: 0,
    collectedBy: "",
    error: undefined,
  };
}

/** A worker has it. */
export function isHeld({ state }: Pick<TaskCore, "state">): boolean {
  return state === "assigned" || state === "working";
}

/** It has a result or an error, which stays. */
export function isOver({ state }: Pick<TaskCore, "state">): boolean {
  return state === "done_calculating" || state === "collected" || state === "failed" || state === "cancelled";
}

/**
 * The machine: what a task is after an event, or why the event changes nothing.
 *
 * ```
 *             assign             begin           finish                     collect
 * Unassigned ───────► Assigned ───────► Working ───────► DoneCalculating ───────► Collected
 *   ▲  ▲  ▲    release, lose │            │ │ │
 *   │  │  └──────────────────┴────────────┘ │ │ split
 *   │  │ wake                         sleep │ └───────► WaitForSubtasks
 *   │  └──────────────── Sleeping ◄─────────┘                 │
 *   └─────────────────────────────────────────────────────────┘ the last subtask is collected
 * ```
 *
 * Beside them Failed (by its handler, or with too many workers lost) and Cancelled, from any state that is not over.
 */
export function step(task: TaskCore, event: TaskEvent): TaskCore | Refusal {
  switch (event.kind) {
    case "assign":
      if (task.state !== "unassigned") return isOver(task) ? "over" : "given";
      return change(task, { state: "assigned", worker: event.worker, assignment: task.assignment + 1 });
    case "begin":
    case "finish":
    case "release":
    case "fail":
    case "split":
    case "sleep":
      if (!isHeld(task) || event.assignment !== task.assignment || event.worker !== task.worker)
        return "late";
      return report(task, event);
    case "lose":
      if (!isHeld(task) || event.worker !== task.worker) return "given";
      return lose(task, event.error);
    case "wake":
      if (task.state !== "sleeping") return isOver(task) ? "over" : "awake";
      return change(task, { state: "unassigned", wakeAtMs: 0 });
    case "subtask":
      if (task.state !== "wait_for_subtasks") return isOver(task) ? "over" : "whole";
      return change(task, {
        pending: task.pending - event.count,
        state: task.pending > event.count ? "wait_for_subtasks" : "unassigned",
      });
    case "collect":
      if (!isOver(task)) return "open";
      if (task.collectedBy !== "") return task.collectedBy === event.by ? "repeated" : "taken";
      return change(task, {
        collectedBy: event.by,
        state: task.state === "done_calculating" ? "collected" : task.state,
      });
    case "cancel":
      if (isOver(task)) return task.state === "cancelled" ? "repeated" : "over";
      return change(task, { state: "cancelled", error: event.error, wakeAtMs: 0 });
  }
}

function report(task: TaskCore, event: TaskReport): TaskCore | Refusal {
  switch (event.kind) {
    case "begin":
      return task.state === "working" ? "repeated" : change(task, { state: "working" });
    case "finish":
      return change(task, { state: "done_calculating", error: undefined });
    case "release":
      return change(task, { state: "unassigned" });
    case "fail": {
      const failures = task.failures + 1;
      const { error } = event;
      if (failures > task.retries) return change(task, { state: "failed", failures, error });
      const pauseMs = Math.min(RETRY_MS.first * 2 ** (failures - 1), RETRY_MS.longest);
      return change(task, { state: "sleeping", failures, error, wakeAtMs: event.nowMs + pauseMs });
    }
    case "split":
      return change(task, { state: "wait_for_subtasks", pending: event.subtasks, turn: task.turn + 1 });
    case "sleep":
      return change(task, { state: "sleeping", wakeAtMs: event.untilMs, turn: task.turn + 1 });
  }
}

function lose(task: TaskCore, error: TaskError): TaskCore {
  const losses = task.losses + 1;
  return losses < task.mostLosses
    ? change(task, { state: "unassigned", losses })
    : change(task, { state: "failed", losses, error });
}

function change(task: TaskCore, to: Partial<TaskCore>): TaskCore {
  return { ...task, ...to, revision: task.revision + 1 };
}
