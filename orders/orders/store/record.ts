import { z } from "zod";
import {
  type Order,
  OrderState,
  type OrderTask,
  OrderTaskKind,
  OrderTaskState,
  type ResourcesUsed,
} from "#proto/rouse/orders/v1/orders.ts";
import { TASK_STATES, type TaskState } from "../plan.ts";

const ORDER_STATES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
export type OrderStateName = (typeof ORDER_STATES)[number];

const orderStates: Readonly<Record<OrderStateName, OrderState>> = {
  queued: OrderState.QUEUED,
  running: OrderState.RUNNING,
  succeeded: OrderState.SUCCEEDED,
  failed: OrderState.FAILED,
  cancelled: OrderState.CANCELLED,
};

const taskStates: Readonly<Record<TaskState, OrderTaskState>> = {
  waiting: OrderTaskState.WAITING,
  ready: OrderTaskState.READY,
  running: OrderTaskState.RUNNING,
  succeeded: OrderTaskState.SUCCEEDED,
  failed: OrderTaskState.FAILED,
  cancelled: OrderTaskState.CANCELLED,
  skipped: OrderTaskState.SKIPPED,
};

const count = z.coerce.number();

/** JSON that is kept as text. */
function json<Schema extends z.ZodType>(schema: Schema) {
  return z.string().transform((text) => schema.parse(JSON.parse(text)));
}

const texts = json(z.record(z.string(), z.string()));
const errorSchema = json(
  z.object({
    code: z.number().int(),
    message: z.string(),
    reason: z.string(),
    metadata: z.record(z.string(), z.string()),
  }),
);
const outputSchema = z.object({
  name: z.string(),
  uri: z.string(),
  bytes: z.number(),
  mediaType: z.string(),
});
export type Output = z.infer<typeof outputSchema>;
const roomSchema = json(
  z.object({
    cpu: z.number(),
    memory: z.number(),
    gpu: z.number(),
    labels: z.record(z.string(), z.string()),
  }),
);

/** A row of the table orders. */
export const orderSchema = z.object({
  id: z.string(),
  sequence: count,
  name: z.string(),
  priority: z.number(),
  metadata: texts,
  caller: z.string(),
  asker: z.string(),
  digest: z.instanceof(Buffer),
  keep_ms: count,
  state: z.enum(ORDER_STATES),
  error: errorSchema.nullable(),
  created_at: z.date(),
  started_at: z.date().nullable(),
  ended_at: z.date().nullable(),
  revision: count,
});
export type OrderRow = z.infer<typeof orderSchema>;

/** What the engine must have of every task in memory. */
const briefShape = {
  order_id: z.string(),
  position: z.number(),
  name: z.string(),
  service: z.string(),
  version: z.string(),
  method: z.string(),
  kind: z.enum(["job", "call"]),
  provider: z.string(),
  needs: z.array(z.string()),
  retries: z.number(),
  room: roomSchema.nullable(),
  state: z.enum(TASK_STATES),
  attempts: z.number(),
  failures: z.number(),
  faults: z.number(),
  host: z.string().nullable(),
  ready_at: z.date().nullable(),
  retry_at: z.date().nullable(),
  attempt_at: z.date().nullable(),
  waits_for: z.string().nullable(),
};
export const briefSchema = z.object(briefShape);
export type TaskBrief = z.infer<typeof briefSchema>;

/** A row of the table order_tasks. */
export const taskSchema = z.object({
  ...briefShape,
  parameters: z.string(),
  inputs: texts,
  metadata: texts,
  deadline_ms: count,
  started_at: z.date().nullable(),
  ended_at: z.date().nullable(),
  result: z.string().nullable(),
  outputs: json(z.array(outputSchema)).nullable(),
  said: texts.nullable(),
  progress_fraction: z.number().nullable(),
  progress_note: z.string().nullable(),
  error: errorSchema.nullable(),
  wall_ms: count,
  cpu_ms: count,
  memory_peak_bytes: count,
  read_bytes: count,
  written_bytes: count,
  cost: count,
});
export type TaskRow = z.infer<typeof taskSchema>;

/** What is shown where a column cannot be read. */
export const BLANK_ORDER: OrderRow = {
  id: "",
  sequence: 0,
  name: "",
  priority: 0,
  metadata: {},
  caller: "",
  asker: "",
  digest: Buffer.alloc(0),
  keep_ms: 0,
  state: "failed",
  error: null,
  created_at: new Date(0),
  started_at: null,
  ended_at: null,
  revision: 0,
};

/** What is shown where a column cannot be read. */
export const BLANK_TASK: TaskRow = {
  order_id: "",
  position: 0,
  name: "",
  service: "",
  version: "",
  method: "",
  kind: "call",
  provider: "",
  needs: [],
  retries: 0,
  room: null,
  state: "failed",
  attempts: 0,
  failures: 0,
  faults: 0,
  host: null,
  ready_at: null,
  retry_at: null,
  attempt_at: null,
  waits_for: null,
  parameters: "",
  inputs: {},
  metadata: {},
  deadline_ms: 0,
  started_at: null,
  ended_at: null,
  result: null,
  outputs: null,
  said: null,
  progress_fraction: null,
  progress_note: null,
  error: null,
  wall_ms: 0,
  cpu_ms: 0,
  memory_peak_bytes: 0,
  read_bytes: 0,
  written_bytes: 0,
  cost: 0,
};

export const ORDER_COLUMNS = Object.keys(orderSchema.shape).join(", ");
export const BRIEF_COLUMNS = Object.keys(briefSchema.shape).join(", ");
export const TASK_COLUMNS = Object.keys(taskSchema.shape).join(", ");

export function isOver({ state }: Pick<OrderRow, "state">): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** As the API has it. */
export function orderToApi(row: OrderRow, tasks: readonly TaskRow[], queuedBefore = 0): Order {
  const ended = row.ended_at;
  return {
    id: row.id,
    name: row.name,
    state: orderStates[row.state],
    priority: row.priority,
    metadata: row.metadata,
    tasks: tasks.map(taskToApi),
    progress: tasks.length === 0 ? 0 : tasks.reduce((sum, task) => sum + progressOf(task), 0) / tasks.length,
    error: row.error ?? undefined,
    createdAtMs: row.created_at.getTime(),
    startedAtMs: row.started_at?.getTime() ?? 0,
    endedAtMs: ended?.getTime() ?? 0,
    expiresAtMs: ended === null ? 0 : ended.getTime() + row.keep_ms,
    caller: row.caller,
    asker: row.asker,
    used: sumOf(tasks.map(usedOf)),
    queuedBefore,
    revision: row.revision,
    taskCount: tasks.length,
    tasksSucceeded: tasks.filter(({ state }) => state === "succeeded").length,
  };
}

function progressOf({ state, progress_fraction }: TaskRow): number {
  return state === "succeeded" ? 1 : (progress_fraction ?? 0);
}

function taskToApi(row: TaskRow): OrderTask {
  const { progress_fraction: fraction, progress_note: note } = row;
  const runs = row.state === "running";
  return {
    name: row.name,
    service: row.service,
    version: row.version,
    method: row.method,
    kind: row.kind === "job" ? OrderTaskKind.JOB : OrderTaskKind.CALL,
    state: taskStates[row.state],
    needs: row.needs,
    parameters: row.parameters,
    inputs: row.inputs,
    metadata: row.metadata,
    result: row.result ?? "",
    outputs: row.outputs ?? [],
    said: row.said ?? {},
    progress: fraction === null && note === null ? undefined : { fraction: fraction ?? 0, note: note ?? "" },
    error: row.error ?? undefined,
    attempts: row.attempts,
    retries: row.retries,
    host: row.host ?? "",
    startedAtMs: row.started_at?.getTime() ?? 0,
    endedAtMs: row.ended_at?.getTime() ?? 0,
    retryAtMs: row.state === "ready" ? (row.retry_at?.getTime() ?? 0) : 0,
    waitsFor: runs ? "" : (row.waits_for ?? ""),
    used: usedOf(row),
    provider: row.provider,
  };
}

function usedOf(row: TaskRow): ResourcesUsed {
  return {
    wallMs: row.wall_ms,
    cpuMs: row.cpu_ms,
    memoryPeakBytes: row.memory_peak_bytes,
    readBytes: row.read_bytes,
    writtenBytes: row.written_bytes,
    cost: row.cost,
  };
}

function sumOf(all: readonly ResourcesUsed[]): ResourcesUsed {
  const sum = { wallMs: 0, cpuMs: 0, memoryPeakBytes: 0, readBytes: 0, writtenBytes: 0, cost: 0 };
  for (const one of all) {
    sum.wallMs += one.wallMs;
    sum.cpuMs += one.cpuMs;
    sum.memoryPeakBytes = Math.max(sum.memoryPeakBytes, one.memoryPeakBytes);
    sum.readBytes += one.readBytes;
    sum.writtenBytes += one.writtenBytes;
    sum.cost += one.cost;
  }
  return sum;
}

export function stateNameOf(state: OrderState): OrderStateName | undefined {
  return ORDER_STATES.find((name) => orderStates[name] === state);
}
