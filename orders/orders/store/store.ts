import type { Pool } from "pg";
import { RouseError } from "../../../sdk/errors.ts";
import { unreachable } from "../../database/connect.ts";
import type { Scope } from "../../rights.ts";
import type { NewOrder } from "./new-order.ts";
import { salvageRow } from "./readable.ts";
import {
  BLANK_ORDER,
  BLANK_TASK,
  ORDER_COLUMNS,
  type OrderRow,
  type OrderStateName,
  orderSchema,
  TASK_COLUMNS,
  type TaskRow,
  taskSchema,
} from "./record.ts";

/** An order with its tasks, in the order in which they were given. */
export interface OrderWithTasks {
  readonly order: OrderRow;
  readonly tasks: readonly TaskRow[];
}

/** What people ask of orders. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class OrderStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** @returns the id of the new order, or of the one that has its key already, with what that stands for. */
  async insert(made: NewOrder): Promise<Pick<OrderRow, "id" | "digest">> {
    const key = made.idempotencyKey === "" ? null : made.idempotencyKey;
    const tasks = made.tasks.map((task, position) => ({
      position,
      ...task,
      needs: [...task.needs],
      inputs: JSON.stringify(task.inputs),
      metadata: JSON.stringify(task.metadata),
      room: task.room === null ? null : JSON.stringify(task.room),
      state: task.needs.length === 0 ? "ready" : "waiting",
    }));
    const column = <Name extends keyof (typeof tasks)[number]>(name: Name) => tasks.map((task) => task[name]);
    // Arrays rather than JSON: parameters may be large, and PostgreSQL's JSON takes no NUL. An array of arrays must be a rectangle.
    const rows = await this.#run(
      `WITH made AS (
         INSERT INTO orders (id, name, priority, metadata, caller, idempotency_key, digest, keep_ms, asker, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $24, 'queued')
         ON CONFLICT (idempotency_key) DO NOTHING RETURNING id, digest
       ), tasks AS (
         INSERT INTO order_tasks (order_id, position, name, service, version, method, kind, provider, needs, parameters, inputs,
           metadata, retries, deadline_ms, room, state, ready_at)
         SELECT made.id, t.position, t.name, service, version, method, kind, provider, string_to_array(needs, ' '), parameters, inputs,
           metadata, retries, deadline_ms, room, state, CASE WHEN state = 'ready' THEN clock_timestamp() END
         FROM made, unnest($9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
           $17::text[], $18::text[], $19::text[], $20::int[], $21::bigint[], $22::text[], $23::text[])
           AS t (position, name, service, version, method, kind, provider, needs, parameters, inputs, metadata, retries, deadline_ms,
             room, state)
       )
       SELECT id, digest FROM made`,
      [
        made.id,
        made.name,
        made.priority,
        JSON.stringify(made.metadata),
        made.caller,
        key,
        made.digest,
        made.keepMs,
        column("position"),
        column("name"),
        column("service"),
        column("version"),
        column("method"),
        column("kind"),
        column("provider"),
        tasks.map(({ needs }) => needs.join(" ")),
        column("parameters"),
        column("inputs"),
        column("metadata"),
        column("retries"),
        column("deadlineMs"),
        column("room"),
        column("state"),
        made.asker ?? "",
      ],
    );
    const [row] = rows as Pick<OrderRow, "id" | "digest">[];
    if (row !== undefined) return row;
    const known = await this.#run("SELECT id, digest FROM orders WHERE idempotency_key = $1", [key]);
    // It was forgotten in between.
    return (known as Pick<OrderRow, "id" | "digest">[])[0] ?? this.insert(made);
  }

  async get(id: string): Promise<OrderWithTasks | undefined> {
    const [order] = await this.#orders(`SELECT ${ORDER_COLUMNS} FROM orders WHERE id = $1`, [id]);
    return order === undefined ? undefined : { order, tasks: await this.#tasks([id]) };
  }

  /** How many orders stand before it by priority and age. */
  async queuedBefore({ priority, sequence }: OrderRow): Promise<number> {
    const [row] = (await this.#run(
      `SELECT count(*) AS n FROM orders WHERE ended_at IS NULL AND state = 'queued'
         AND (priority > $1 OR (priority = $1 AND sequence < $2))`,
      [priority, sequence],
    )) as { n: string }[];
    return Number(row?.n ?? 0);
  }

  /** Newest first. Of tasks what lists need: states, progress and what was used. @param scope of whose work. */
  async list(
    service: string,
    state: OrderStateName | undefined,
    limit: number,
    scope?: Scope,
  ): Promise<OrderWithTasks[]> {
    const orders = await this.#orders(
      `SELECT ${ORDER_COLUMNS} FROM orders WHERE ($2::text IS NULL OR state = $2)
         AND ($1 = '' OR EXISTS (SELECT 1 FROM order_tasks WHERE order_id = orders.id AND service = $1))
         AND ($4::text IS NULL OR asker = $4 OR caller = ANY($5)
           OR EXISTS (SELECT 1 FROM order_tasks WHERE order_id = orders.id AND service = ANY($5)))
       ORDER BY sequence DESC LIMIT $3`,
      [service, state ?? null, limit, scope?.provider ?? null, scope?.services ?? []],
    );
    const tasks = await this.#tasks(
      orders.map(({ id }) => id),
      LIST_COLUMNS,
    );
    return orders.map((order) => ({ order, tasks: tasks.filter((task) => task.order_id === order.id) }));
  }

  /** Ends an order that has not ended, and its tasks. @returns false: it has. */
  async cancel(id: string, error: string): Promise<boolean> {
    const rows = await this.#run(
      `WITH o AS (
         UPDATE orders SET state = 'cancelled', error = $2, ended_at = clock_timestamp(), revision = revision + 1
         WHERE id = $1 AND ended_at IS NULL RETURNING id
       ), t AS (
         UPDATE order_tasks SET state = 'cancelled', ended_at = clock_timestamp()
         WHERE order_id IN (SELECT id FROM o) AND state IN ('waiting', 'ready', 'running')
       )
       SELECT id FROM o`,
      [id, error],
    );
    return rows.length > 0;
  }

  /** Takes up an order that failed or was cancelled. @returns false: it is in no such state. */
  async retry(id: string): Promise<boolean> {
    const rows = await this.#run(
      `WITH o AS (
         UPDATE orders SET state = 'queued', error = NULL, ended_at = NULL, revision = revision + 1
         WHERE id = $1 AND state IN ('failed', 'cancelled') RETURNING id
       ), t AS (
         UPDATE order_tasks SET state = CASE WHEN needs = '{}' THEN 'ready' ELSE 'waiting' END, failures = 0, faults = 0, error = NULL,
           retry_at = NULL, ended_at = NULL, waits_for = NULL, progress_fraction = NULL, progress_note = NULL,
           ready_at = CASE WHEN needs = '{}' THEN clock_timestamp() END
         WHERE order_id IN (SELECT id FROM o) AND state IN ('failed', 'cancelled', 'skipped')
       )
       SELECT id FROM o`,
      [id],
    );
    return rows.length > 0;
  }

  /** Stored lines of the attempts that have ended, as JSON texts. */
  async logs(id: string, task: string): Promise<{ task: string; attempt: number; lines: string }[]> {
    const rows = await this.#run(
      `SELECT task, attempt, lines FROM order_logs JOIN order_tasks t ON t.order_id = order_logs.order_id AND t.name = task
       WHERE order_logs.order_id = $1 AND ($2 = '' OR task = $2) ORDER BY t.position, attempt`,
      [id, task],
    );
    return rows as { task: string; attempt: number; lines: string }[];
  }

  /** Ids of orders whose time is over. */
  async expired(limit: number): Promise<string[]> {
    const rows = await this.#run(
      `SELECT id FROM orders WHERE ended_at IS NOT NULL AND ended_at + keep_ms * interval '1 millisecond' < clock_timestamp() LIMIT $1`,
      [limit],
    );
    return (rows as { id: string }[]).map(({ id }) => id);
  }

  async forget(id: string): Promise<void> {
    await this.#run("DELETE FROM orders WHERE id = $1 AND ended_at IS NOT NULL", [id]);
  }

  async #orders(text: string, values: readonly unknown[]): Promise<OrderRow[]> {
    const rows = (await this.#run(text, values)) as { readonly id: string }[];
    return rows.map((row) => {
      const { row: order, error } = salvageRow(orderSchema, row, BLANK_ORDER, row.id, "own row");
      return error === undefined ? order : { ...order, error: order.error ?? errorFields(error) };
    });
  }

  async #tasks(ids: readonly string[], columns = TASK_COLUMNS): Promise<TaskRow[]> {
    const rows = (await this.#run(
      `SELECT ${columns} FROM order_tasks WHERE order_id = ANY($1) ORDER BY order_id, position`,
      [ids],
    )) as { readonly order_id: string; readonly name: string }[];
    return rows.map((row) => {
      const { order_id: id, name } = row;
      const { row: task, error } = salvageRow(taskSchema, row, BLANK_TASK, id, `task "${name}"`);
      return error === undefined ? task : { ...task, error: errorFields(error) };
    });
  }

  async #run(text: string, values: readonly unknown[] = []): Promise<unknown[]> {
    try {
      return (await this.#pool.query(text, [...values])).rows;
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

function errorFields({ code, message, reason, metadata }: RouseError) {
  return { code, message, reason, metadata };
}

/** Without what may be large. */
const LIST_COLUMNS = TASK_COLUMNS.replace(" parameters,", " '' AS parameters,").replace(
  " result,",
  " NULL AS result,",
);

/** NOT_FOUND for an order that is not there (any more). */
export function unknownOrder(id: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no order ${JSON.stringify(id.slice(0, 60))}: it never was, or its time is over. "rouse orders" lists those there are.`,
    { reason: "ORDER_UNKNOWN" },
  );
}
