import { z } from "zod";
import { type Entry, EntryKind, entryKindToNumber } from "#proto/rouse/orders/v1/durable.ts";
import { type Run, RunState } from "#proto/rouse/orders/v1/runs.ts";
import { type OperationRow, rowSchema, toApi } from "../operations/record.ts";

const count = z.coerce.number();
const bytes = z.instanceof(Buffer);

/** Entry kinds by the numbers that the database keeps, which are those of the contract. */
const KINDS = new Map(Object.values(EntryKind).map((kind) => [entryKindToNumber(kind), kind]));

const error = z
  .object({
    code: z.number(),
    message: z.string(),
    reason: z.string(),
    metadata: z.record(z.string(), z.string()),
  })
  .nullable();

/** A row of the table run_entries. */
export const entrySchema = z.object({
  index: z.number(),
  kind: z.number(),
  name: z.string(),
  digest: bytes,
  done: z.boolean(),
  value: bytes,
  error,
  until_ms: count,
  child: z.string().nullable(),
  began_at_ms: count,
  recorded_at_ms: count,
  completed_at_ms: count,
  ord: count,
});
export type EntryRow = z.infer<typeof entrySchema>;
export const ENTRY_COLUMNS = Object.keys(entrySchema.shape).join(", ");

export function toEntry(row: EntryRow): Entry {
  return {
    index: row.index,
    kind: KINDS.get(row.kind) ?? EntryKind.UNSPECIFIED,
    name: row.name,
    digest: row.digest,
    done: row.done,
    value: row.value,
    error: row.error ?? undefined,
    untilMs: row.until_ms,
    call: undefined,
    beganAtMs: row.began_at_ms,
    order: row.ord,
  };
}

/** An operation that is a run, with what only runs have. */
export const runSchema = rowSchema.extend({
  key: z.string(),
  waiting: z.array(z.number()).nullable(),
  wakes_at_ms: count.nullable(),
  retries: z.number(),
  trouble: z.string(),
  entries: count,
  bytes: count,
});
export type RunRow = z.infer<typeof runSchema>;

/** A row of the table run_kept. */
export const keptSchema = z.object({
  key: z.string(),
  name: z.string(),
  value: bytes,
  run: z.string(),
  kept_at: z.date(),
});
export type KeptRow = z.infer<typeof keptSchema>;

/** One that was just started, and has no key. */
export function newRun(row: OperationRow): RunRow {
  return { ...row, key: "", waiting: null, wakes_at_ms: null, retries: 0, trouble: "", entries: 0, bytes: 0 };
}

/** As the API has it, without its journal. */
export function runToApi(row: RunRow): Run {
  const state = runState(row);
  return {
    operation: toApi(row),
    key: row.key,
    state,
    wakesAtMs: state === RunState.SLEEPING ? (row.wakes_at_ms ?? 0) : 0,
    entries: row.entries,
    bytes: row.bytes,
    retries: row.retries,
    parent: row.parent ?? "",
    trouble: row.trouble,
    journal: [],
  };
}

function runState({
  state,
  waiting,
  entries,
}: Pick<OperationRow, "state"> & Pick<RunRow, "waiting" | "entries">): RunState {
  switch (state) {
    case "succeeded":
      return RunState.SUCCEEDED;
    case "failed":
      return RunState.FAILED;
    case "cancelled":
      return RunState.CANCELLED;
    default:
      if (waiting !== null) return RunState.SLEEPING;
      return state === "waiting" && entries === 0 ? RunState.QUEUED : RunState.RUNNING;
  }
}
