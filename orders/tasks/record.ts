import { z } from "zod";
import { type Task, type TaskChange as TaskChangeMessage, TaskState } from "#proto/rouse/orders/v1/tasks.ts";
import { type StatusCode, statusName } from "../../sdk/status.ts";
import type { PastChange } from "./errors.ts";
import type { TaskNode } from "./ledger.ts";
import { TASK_STATES, type TaskStateName } from "./machine.ts";

const states: Readonly<Record<TaskStateName, TaskState>> = {
  unassigned: TaskState.UNASSIGNED,
  assigned: TaskState.ASSIGNED,
  working: TaskState.WORKING,
  wait_for_subtasks: TaskState.WAIT_FOR_SUBTASKS,
  sleeping: TaskState.SLEEPING,
  done_calculating: TaskState.DONE_CALCULATING,
  collected: TaskState.COLLECTED,
  failed: TaskState.FAILED,
  cancelled: TaskState.CANCELLED,
};

export function stateName(state: TaskState): TaskStateName | undefined {
  return TASK_STATES.find((name) => states[name] === state);
}

const count = z.coerce.number();
const errorSchema = z.object({
  code: z
    .number()
    .int()
    .transform((code) => (statusName(code) === undefined ? 2 : code) as StatusCode),
  message: z.string(),
  reason: z.string(),
  metadata: z.record(z.string(), z.string()),
});

/** What a transaction reads of a task. */
const nodeShape = {
  id: z.string(),
  queue: z.string(),
  parent: z.string().nullable(),
  state: z.enum(TASK_STATES),
  revision: count,
  assignment: z.number(),
  worker: z.string(),
  turn: z.number(),
  pending: z.number(),
  losses: z.number(),
  most_losses: z.number(),
  failures: z.number(),
  retries: z.number(),
  wake_at: z.date().nullable(),
  collected_by: z.string(),
  error: errorSchema.nullable(),
};
const nodeSchema = z.object(nodeShape);
export const NODE_COLUMNS = Object.keys(nodeShape).join(", ");

export function nodeOf(row: unknown): TaskNode {
  const { parent, most_losses, wake_at, collected_by, error, ...rest } = nodeSchema.parse(row);
  return {
    ...rest,
    parent: parent ?? "",
    mostLosses: most_losses,
    wakeAtMs: wake_at?.getTime() ?? 0,
    collectedBy: collected_by,
    error: error ?? undefined,
  };
}

const bytes = z.instanceof(Buffer).nullable();
const rowShape = {
  ...nodeShape,
  position: z.number(),
  priority: z.number(),
  caller: z.string(),
  keep_ms: count,
  progress_fraction: z.number().nullable(),
  progress_note: z.string().nullable(),
  created_at: z.date(),
  changed_at: z.date(),
  ended_at: z.date().nullable(),
};
/** A row of the table tasks, without what only workers need. */
const rowSchema = z.object({ ...rowShape, digest: bytes, payload: bytes, result: bytes });
export type TaskRow = z.infer<typeof rowSchema>;

/** With payload and result. */
export const WHOLE_COLUMNS = [...Object.keys(rowShape), "digest", "payload", "result"].join(", ");
/** The same columns, empty where they may be large. */
export const BRIEF_COLUMNS = `${Object.keys(rowShape).join(", ")}, digest, NULL::bytea AS payload, NULL::bytea AS result`;

export function rowOf(row: unknown): TaskRow {
  return rowSchema.parse(row);
}

/** As the API has it. */
export function toApi(row: TaskRow): Task {
  const { progress_fraction: fraction, progress_note: note, ended_at: ended } = row;
  return {
    id: row.id,
    queue: row.queue,
    state: states[row.state],
    revision: row.revision,
    parent: row.parent ?? "",
    position: row.position,
    priority: row.priority,
    payload: row.payload ?? Buffer.alloc(0),
    result: row.result ?? Buffer.alloc(0),
    error: row.error ?? undefined,
    progress: fraction === null && note === null ? undefined : { fraction: fraction ?? 0, note: note ?? "" },
    worker: row.worker,
    assignment: row.assignment,
    turn: row.turn,
    losses: row.losses,
    failures: row.failures,
    pending: row.pending,
    wakeAtMs: row.wake_at?.getTime() ?? 0,
    collectedBy: row.collected_by,
    caller: row.caller,
    createdAtMs: row.created_at.getTime(),
    changedAtMs: row.changed_at.getTime(),
    endedAtMs: ended?.getTime() ?? 0,
    expiresAtMs: ended === null ? 0 : ended.getTime() + row.keep_ms,
  };
}

const changeSchema = z.object({
  task: z.string(),
  revision: count,
  at: z.date(),
  kind: z.enum([
    "submit",
    "assign",
    "begin",
    "finish",
    "release",
    "fail",
    "split",
    "sleep",
    "lose",
    "wake",
    "subtask",
    "collect",
    "cancel",
  ]),
  state: z.enum(TASK_STATES),
  assignment: z.number(),
  by: z.string(),
  note: z.string(),
});
export const CHANGE_COLUMNS = Object.keys(changeSchema.shape).join(", ");

export function changeOf(row: unknown): PastChange {
  return changeSchema.parse(row);
}

export function changeToApi({
  revision,
  at,
  kind,
  state,
  assignment,
  by,
  note,
}: PastChange): TaskChangeMessage {
  return { revision, atMs: at.getTime(), kind, state: states[state], assignment, by, note };
}
