import type { Pool } from "pg";
import { RouseError } from "../../../sdk/errors.ts";
import { unreachable } from "../../database/connect.ts";
import { errorJson } from "../../operations/record.ts";
import { readRow } from "./readable.ts";
import {
  BRIEF_COLUMNS,
  briefSchema,
  type OrderRow,
  type Output,
  TASK_COLUMNS,
  type TaskBrief,
  type TaskRow,
  taskSchema,
} from "./record.ts";
import { unknownOrder } from "./store.ts";

/** A task's attempt: what is written of it counts only while it is the present one. */
export interface AttemptKey {
  readonly orderId: string;
  readonly task: string;
  /** The first is 1. */
  readonly attempt: number;
}

/** An open order, as the engine has it in memory. */
export interface OpenOrder {
  readonly id: string;
  readonly sequence: number;
  readonly priority: number;
  readonly tasks: readonly TaskBrief[];
}

/** What an attempt has used. */
export interface Used {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly memoryPeakBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly cost: number;
}

/** What a task has given. */
export interface Success {
  /** JSON. */
  readonly result: string;
  readonly outputs: readonly Output[];
  readonly said: Readonly<Record<string, string>>;
}

/** A line of a task's log. */
export interface LogEntry {
  readonly stream: string;
  readonly atMs: number;
  readonly line: string;
}

/** Of the one that leads: begins and ends tasks. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class EngineStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Orders that have not ended, in the order of acceptance.
   *
   * @param ids only these.
   * @param leftOut told of each one that cannot be read, once, with ORDER_UNREADABLE.
   */
  async open(
    ids?: readonly string[],
    leftOut?: (id: string, error: RouseError) => void,
  ): Promise<OpenOrder[]> {
    const orders = (await this.#run(
      `SELECT id, sequence, priority FROM orders WHERE ended_at IS NULL AND ($1::uuid[] IS NULL OR id = ANY($1)) ORDER BY sequence`,
      [ids ?? null],
    )) as { id: string; sequence: string; priority: number }[];
    const tasks = new Map<string, TaskBrief[]>(orders.map((order) => [order.id, []]));
    const rows = await this.#run(
      `SELECT ${BRIEF_COLUMNS} FROM order_tasks WHERE order_id = ANY($1) ORDER BY order_id, position`,
      [orders.map((order) => order.id)],
    );
    for (const row of rows as { order_id: string }[]) {
      const id = row.order_id;
      if (!tasks.has(id)) continue;
      try {
        tasks.get(id)?.push(readRow(briefSchema, row, id, taskOf(row)));
      } catch (thrown) {
        tasks.delete(id);
        leftOut?.(id, RouseError.from(thrown));
      }
    }
    const readable = orders.filter(({ id }) => tasks.has(id));
    return readable.map(({ sequence, ...order }) => ({
      ...order,
      sequence: Number(sequence),
      tasks: tasks.get(order.id) ?? [],
    }));
  }

  /** Writes down what follows from the tasks' states. */
  async advance(
    orderId: string,
    ready: readonly string[],
    skipped: readonly string[],
    ended?: { readonly state: "succeeded" } | { readonly state: "failed"; readonly error: RouseError },
  ): Promise<void> {
    const error = ended?.state === "failed" ? errorJson(ended.error) : null;
    await this.#run(
      `WITH o AS (
         UPDATE orders SET state = coalesce($4, state), error = $5,
           ended_at = CASE WHEN $4::text IS NULL THEN NULL ELSE clock_timestamp() END, revision = revision + 1
         WHERE id = $1 AND ended_at IS NULL RETURNING id
       )
       UPDATE order_tasks SET state = CASE WHEN name = ANY($2) THEN 'ready' ELSE 'skipped' END,
         ready_at = CASE WHEN name = ANY($2) THEN clock_timestamp() END,
         ended_at = CASE WHEN name = ANY($2) THEN NULL ELSE clock_timestamp() END
       WHERE order_id IN (SELECT id FROM o) AND state = 'waiting' AND (name = ANY($2) OR name = ANY($3))`,
      [orderId, ready, skipped, ended?.state ?? null, error],
    );
  }

  /** Ends an order that cannot be read, and what goes on of it. */
  async leaveOut(orderId: string, error: RouseError): Promise<void> {
    await this.#run(
      `WITH o AS (
         UPDATE orders SET state = 'failed', error = $2, ended_at = clock_timestamp(), revision = revision + 1
         WHERE id = $1 AND ended_at IS NULL RETURNING id
       )
       UPDATE order_tasks SET state = 'cancelled', ended_at = clock_timestamp()
       WHERE order_id IN (SELECT id FROM o) AND state NOT IN ('succeeded', 'failed', 'skipped', 'cancelled')`,
      [orderId, errorJson(error)],
    );
  }

  /** Begins the next attempt. @returns undefined when the task is not ready any more. */
  async begin(orderId: string, task: string, host: string | undefined): Promise<TaskRow | undefined> {
    const rows = await this.#run(
      `WITH t AS (
         UPDATE order_tasks SET state = 'running', attempts = attempts + 1, host = $3, waits_for = NULL,
           started_at = coalesce(started_at, clock_timestamp()), attempt_at = clock_timestamp(), progress_fraction = NULL,
           progress_note = NULL
         WHERE order_id = $1 AND name = $2 AND state = 'ready' RETURNING ${TASK_COLUMNS}
       ), o AS (
         UPDATE orders SET state = 'running', started_at = coalesce(started_at, clock_timestamp()), revision = revision + 1
         WHERE id = $1 AND ended_at IS NULL AND EXISTS (SELECT 1 FROM t)
       )
       SELECT * FROM t`,
      [orderId, task, host ?? null],
    );
    return rows.map((row) => readRow(taskSchema, row, orderId, taskOf(row)))[0];
  }

  /** The task, to go on with its present attempt. */
  async task(orderId: string, name: string): Promise<TaskRow | undefined> {
    const rows = await this.#run(
      `SELECT ${TASK_COLUMNS} FROM order_tasks WHERE order_id = $1 AND name = $2`,
      [orderId, name],
    );
    return rows.map((row) => readRow(taskSchema, row, orderId, taskOf(row)))[0];
  }

  /** Who asked for an order. @throws RouseError NOT_FOUND ORDER_UNKNOWN. */
  async whose(orderId: string): Promise<Pick<OrderRow, "asker" | "caller">> {
    const rows = await this.#run("SELECT asker, caller FROM orders WHERE id = $1", [orderId]);
    const [row] = rows as { readonly asker: string; readonly caller: string }[];
    if (row === undefined) throw unknownOrder(orderId);
    return row;
  }

  /** Results and outputs of tasks that another one needs. */
  async given(
    orderId: string,
    names: readonly string[],
  ): Promise<Map<string, { readonly result: string | null; readonly outputs: readonly Output[] }>> {
    const rows = await this.#run(
      `SELECT ${TASK_COLUMNS} FROM order_tasks WHERE order_id = $1 AND name = ANY($2)`,
      [orderId, names],
    );
    return new Map(
      rows.map((row) => {
        const { name, result, outputs } = readRow(taskSchema, row, orderId, taskOf(row));
        return [name, { result, outputs: outputs ?? [] }];
      }),
    );
  }

  async succeed(key: AttemptKey, { result, outputs, said }: Success): Promise<boolean> {
    return this.#end(
      key,
      "state = 'succeeded', result = $4, outputs = $5, said = $6, error = NULL, ended_at = clock_timestamp()",
      [result, JSON.stringify(outputs), JSON.stringify(said)],
    );
  }

  async fail(key: AttemptKey, error: RouseError): Promise<boolean> {
    return this.#end(
      key,
      "state = 'failed', error = $4, failures = failures + 1, ended_at = clock_timestamp()",
      [errorJson(error)],
    );
  }

  /** Puts the task back into the queue. @param counted whether it was the task's failure. */
  async again(key: AttemptKey, error: RouseError, afterMs: number, counted: boolean): Promise<boolean> {
    return this.#end(
      key,
      `state = 'ready', error = $4, failures = failures + $6::int, faults = faults + 1 - $6::int, ready_at = clock_timestamp(),
       retry_at = clock_timestamp() + $5::bigint * interval '1 millisecond'`,
      [errorJson(error), afterMs, counted ? 1 : 0],
    );
  }

  /** The host took it not: there was no attempt, and its place in the queue is as before. */
  async refused(key: AttemptKey): Promise<boolean> {
    return this.#end(key, "state = 'ready', attempts = attempts - 1, host = NULL");
  }

  async progress(key: AttemptKey, fraction: number, note: string): Promise<boolean> {
    return this.#end(key, "progress_fraction = $4, progress_note = $5", [
      fraction,
      note.replaceAll("\0", ""),
    ]);
  }

  /** Notes what an attempt has used and said, be it the present one or not. */
  async note({ orderId, task, attempt }: AttemptKey, used: Used, lines: readonly LogEntry[]): Promise<void> {
    await this.#run(
      `WITH l AS (
         INSERT INTO order_logs (order_id, task, attempt, lines) SELECT $1::uuid, $2, $3::int, $4 WHERE EXISTS (SELECT 1 FROM orders WHERE id = $1)
         ON CONFLICT (order_id, task, attempt) DO NOTHING RETURNING 1
       )
       UPDATE order_tasks SET wall_ms = wall_ms + $5, cpu_ms = cpu_ms + $6, memory_peak_bytes = greatest(memory_peak_bytes, $7),
         read_bytes = read_bytes + $8, written_bytes = written_bytes + $9, cost = cost + $10
       WHERE order_id = $1 AND name = $2 AND EXISTS (SELECT 1 FROM l)`,
      [
        orderId,
        task,
        attempt,
        JSON.stringify(lines),
        Math.round(used.wallMs),
        Math.round(used.cpuMs),
        used.memoryPeakBytes,
        used.readBytes,
        used.writtenBytes,
        used.cost,
      ],
    );
  }

  /** Says what a task waits for. */
  async waits(orderId: string, task: string, why: string | null): Promise<void> {
    await this.#run(
      `WITH t AS (
         UPDATE order_tasks SET waits_for = $3
         WHERE order_id = $1 AND name = $2 AND state = 'ready' AND waits_for IS DISTINCT FROM $3 RETURNING 1
       )
       UPDATE orders SET revision = revision + 1 WHERE id = $1 AND EXISTS (SELECT 1 FROM t)`,
      [orderId, task, why],
    );
  }

  async #end(
    { orderId, task, attempt }: AttemptKey,
    set: string,
    values: readonly unknown[] = [],
  ): Promise<boolean> {
    const rows = await this.#run(
      `WITH t AS (
         UPDATE order_tasks SET ${set} WHERE order_id = $1 AND name = $2 AND attempts = $3 AND state = 'running' RETURNING 1
       ), o AS (UPDATE orders SET revision = revision + 1 WHERE id = $1 AND EXISTS (SELECT 1 FROM t))
       SELECT 1 FROM t`,
      [orderId, task, attempt, ...values],
    );
    return rows.length > 0;
  }

  async #run(text: string, values: readonly unknown[] = []): Promise<unknown[]> {
    try {
      return (await this.#pool.query(text, [...values])).rows;
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

function taskOf(row: unknown): string {
  return `task "${(row as { name: string }).name}"`;
}
