import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { RouseError } from "../../sdk/errors.ts";
import { unreachable } from "../database/connect.ts";
import { Ledger } from "./ledger.ts";
import { isHeld, isOver } from "./machine.ts";
import { NODE_COLUMNS, nodeOf } from "./record.ts";
import { TASK_WORKERS_CHANGED, TASKS_CHANGED, TASKS_READY } from "./tables.ts";

/** PostgreSQL's words for "somebody else was quicker; do it again": deadlock_detected, serialization_failure. */
const AGAIN: ReadonlySet<string> = new Set(["40P01", "40001"]);
/**
 * Whether an error's code is an SQLSTATE that says of a statement that it is wrong, and not of the server that it is away, full or
 * broken. Those have a digit, which the system's own codes have not: EPIPE is no fault of a statement.
 */
export function isSqlFault(code: string): boolean {
  return /^(?!08|40|53|55|57|58|XX)(?=.*\d)[0-9A-Z]{5}$/.test(code);
}

const MOST_TRIES = 20;

/** What comes with an event and is kept beside the machine. */
export interface Carried {
  readonly result?: Buffer;
  readonly kept?: Buffer;
}

/**
 * One transaction. Two that lock the same tasks in another order make PostgreSQL end one of them; that one is done again.
 *
 * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; what `work` throws of itself, after a roll-back.
 */
export async function transact<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(pool, work);
    } catch (thrown) {
      if (thrown instanceof RouseError) throw thrown;
      const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
      if (!AGAIN.has(code) || tries >= MOST_TRIES) throw isSqlFault(code) ? thrown : unreachable(thrown);
      await sleep(Math.random() * 10 * tries);
    }
  }
}

async function attempt<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that breaks meanwhile rejects the query as well.
  const breaks = (error: Error) => {
    broken = error;
  };
  client.on("error", breaks);
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((failed: Error) => breaks(failed));
    throw error;
  } finally {
    client.off("error", breaks);
    client.release(broken);
  }
}

/**
 * Locks tasks until the end of the transaction, always in the order of their ids.
 *
 * @param condition SQL over the table tasks.
 */
export async function lockTasks(
  client: PoolClient,
  condition: string,
  values: readonly unknown[],
): Promise<Ledger> {
  const { rows } = await client.query(
    `SELECT ${NODE_COLUMNS} FROM tasks WHERE ${condition} ORDER BY id FOR UPDATE`,
    [...values],
  );
  return new Ledger(rows.map(nodeOf));
}

/** Writes what has happened, in one statement, and tells it to whoever listens once it is committed. */
export async function save(
  client: PoolClient,
  ledger: Ledger,
  carried: ReadonlyMap<string, Carried> = new Map(),
): Promise<void> {
  const tasks = ledger.changed();
  if (tasks.length === 0) return;
  const { changes } = ledger;
  const told = toldOf(ledger);
  await client.query(
    `WITH changed AS (
       UPDATE tasks SET state = n.state, revision = n.revision, assignment = n.assignment, worker = n.worker, turn = n.turn,
         pending = n.pending, losses = n.losses, failures = n.failures, collected_by = n.collected_by, error = n.error,
         wake_at = to_timestamp(n.wake_at_ms / 1000.0), changed_at = clock_timestamp(),
         ended_at = CASE WHEN n.over THEN coalesce(tasks.ended_at, clock_timestamp()) END,
         result = coalesce(n.result, tasks.result), kept = coalesce(n.kept, tasks.kept)
       FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::int[], $7::int[], $8::int[], $9::int[],
         $10::text[], $11::jsonb[], $12::bigint[], $13::boolean[], $14::bytea[], $15::bytea[])
         AS n(id, state, revision, assignment, worker, turn, pending, losses, failures,
           collected_by, error, wake_at_ms, over, result, kept)
       WHERE tasks.id = n.id),
     noted AS (
       INSERT INTO task_changes (task, revision, kind, state, assignment, by, note)
       SELECT * FROM unnest($16::uuid[], $17::bigint[], $18::text[], $19::text[], $20::int[], $21::text[], $22::text[]))
     SELECT pg_notify(channel, payload) FROM unnest($23::text[], $24::text[]) AS t(channel, payload)`,
    [
      tasks.map(({ id }) => id),
      tasks.map(({ state }) => state),
      tasks.map(({ revision }) => revision),
      tasks.map(({ assignment }) => assignment),
      tasks.map(({ worker }) => worker),
      tasks.map(({ turn }) => turn),
      tasks.map(({ pending }) => pending),
      tasks.map(({ losses }) => losses),
      tasks.map(({ failures }) => failures),
      tasks.map((task) => task.collectedBy),
      tasks.map(({ error }) => (error === undefined ? null : JSON.stringify(error))),
      tasks.map(({ wakeAtMs }) => (wakeAtMs === 0 ? null : wakeAtMs)),
      tasks.map(isOver),
      tasks.map(({ id }) => carried.get(id)?.result ?? null),
      tasks.map(({ id }) => carried.get(id)?.kept ?? null),
      changes.map(({ task }) => task),
      changes.map(({ revision }) => revision),
      changes.map(({ kind }) => kind),
      changes.map(({ state }) => state),
      changes.map(({ assignment }) => assignment),
      changes.map(({ by }) => by),
      changes.map(({ note }) => note.slice(0, LONGEST_NOTE)),
      told.map(([channel]) => channel),
      told.map(([, payload]) => payload),
    ],
  );
}

/** Who has to hear of it. */
function toldOf(ledger: Ledger): Told[] {
  const tasks = ledger.changed();
  const workers = ledger.changes
    .filter(({ kind }) => kind === "assign" || kind === "cancel" || kind === "lose")
    .map(({ task }) => ledger.get(task)?.worker ?? "")
    .filter((worker) => worker !== "");
  const wakes = tasks.flatMap(({ wakeAtMs }) => (wakeAtMs === 0 ? [] : [wakeAtMs]));
  // Room was made, or something waits.
  const ready = tasks.some((task) => !isHeld(task));
  return [
    ...tasks.map((task): Told => [TASKS_CHANGED, `${task.id} ${isOver(task) ? "over" : "open"}`]),
    ...[...new Set(workers)].map((worker): Told => [TASK_WORKERS_CHANGED, worker]),
    ...(ready ? [[TASKS_READY, wakes.length === 0 ? "" : String(Math.min(...wakes))] satisfies Told] : []),
  ];
}

const LONGEST_NOTE = 1_000;

/** Channel and payload. */
export type Told = readonly [string, string];

export async function tell(client: PoolClient, told: readonly Told[]): Promise<void> {
  await client.query(
    "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS n(channel, payload)",
    [told.map(([channel]) => channel), told.map(([, payload]) => payload)],
  );
}
