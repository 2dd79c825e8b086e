import { z } from "zod";
import { type Operation, OperationState } from "#proto/rouse/orders/v1/operations.ts";
import { recordOf } from "../../sdk/error-record.ts";
import type { RouseError } from "../../sdk/errors.ts";

export const STATES = ["waiting", "running", "succeeded", "failed", "cancelled"] as const;
export type StateName = (typeof STATES)[number];

const states: Readonly<Record<StateName, OperationState>> = {
  waiting: OperationState.WAITING,
  running: OperationState.RUNNING,
  succeeded: OperationState.SUCCEEDED,
  failed: OperationState.FAILED,
  cancelled: OperationState.CANCELLED,
};

/** Error of an operation, as the database keeps it. */
const errorSchema = z.object({
  code: z.number().int(),
  message: z.string(),
  reason: z.string(),
  metadata: z.record(z.string(), z.string()),
});

const count = z.coerce.number();

/** A row of the table operations. */
export const rowSchema = z.object({
  id: z.string(),
  service: z.string(),
  version: z.string(),
  method: z.string(),
  caller: z.string(),
  request_digest: z.instanceof(Buffer),
  idempotent: z.boolean(),
  deadline_ms: count,
  start_timeout_ms: count,
  keep_ms: count,
  headers: z
    .string()
    .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text)))
    .nullable(),
  state: z.enum(STATES),
  progress_fraction: z.number().nullable(),
  progress_note: z.string().nullable(),
  response: z.instanceof(Buffer).nullable(),
  error: errorSchema.nullable(),
  attempts: z.number().int(),
  created_at: z.date(),
  started_at: z.date().nullable(),
  ended_at: z.date().nullable(),
  revision: count,
  durable: z.boolean(),
  parent: z.string().nullable(),
  asker: z.string(),
});
export type OperationRow = z.infer<typeof rowSchema>;

/** Columns of {@link rowSchema}; the request is read by itself. */
export const COLUMNS = Object.keys(rowSchema.shape).join(", ");

export function isOver({ state }: Pick<OperationRow, "state">): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** As the API has it. */
export function toApi(row: OperationRow): Operation {
  const { progress_fraction: fraction, progress_note: note, ended_at: ended } = row;
  return {
    id: row.id,
    service: row.service,
    version: row.version,
    method: row.method,
    state: states[row.state],
    progress: fraction === null && note === null ? undefined : { fraction: fraction ?? 0, note: note ?? "" },
    response: row.response ?? Buffer.alloc(0),
    error: row.error ?? undefined,
    createdAtMs: row.created_at.getTime(),
    startedAtMs: row.started_at?.getTime() ?? 0,
    endedAtMs: ended?.getTime() ?? 0,
    expiresAtMs: ended === null ? 0 : ended.getTime() + row.keep_ms,
    attempts: row.attempts,
    caller: row.caller,
    revision: row.revision,
    asker: row.asker,
  };
}

/** The database's form of an error. */
export function errorJson(error: RouseError): string {
  return JSON.stringify(recordOf(error) satisfies z.infer<typeof errorSchema>);
}

export function stateName(state: OperationState): StateName | undefined {
  return STATES.find((name) => states[name] === state);
}
