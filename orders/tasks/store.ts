import { randomUUID } from "node:crypto";
import type { Pool, PoolClient } from "pg";
import type { RouseError } from "../../sdk/errors.ts";
import { unreachable } from "../database/connect.ts";
import { isId } from "../id.ts";
import type { Scope } from "../rights.ts";
import {
  alreadyOver,
  cancelled,
  collectedBy,
  conflict,
  keyReused,
  notEnded,
  notSleeping,
  type PastChange,
  unknownTask,
} from "./errors.ts";
import { cancelTree, collectSubtasks, type Ledger, type TaskNode } from "./ledger.ts";
import type { Refusal, TaskStateName } from "./machine.ts";
import { BRIEF_COLUMNS, CHANGE_COLUMNS, changeOf, rowOf, type TaskRow, WHOLE_COLUMNS } from "./record.ts";
import { type TaskOrder, taskDigest } from "./settings.ts";
import { TASKS_CHANGED, TASKS_READY } from "./tables.ts";
import { lockTasks, save, transact } from "./transact.ts";

/**
 * The table of tasks, for those who submit, read, collect and cancel. Every change is one transaction. Everything throws
 * UNAVAILABLE DATABASE_UNREACHABLE while the database is away.
 */
export class TaskStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * @param key Idempotency key; empty: none.
   * @returns the new task, or the one that has its key already.
   * @throws RouseError ALREADY_EXISTS TASK_KEY_REUSED.
   */
  async submit(order: TaskOrder, key: string, caller: string): Promise<TaskRow> {
    const digest = taskDigest(order);
    const [made] = await insertTasks(this, [order], { key, caller, digest });
    if (made !== undefined) return made;
    const { rows } = await this.query(
      `SELECT ${WHOLE_COLUMNS} FROM tasks WHERE queue = $1 AND idempotency_key = $2`,
      [order.queue, key],
    );
    const [known] = rows.map(rowOf);
    // It was forgotten in between: now the key is free.
    if (known === undefined) return this.submit(order, key, caller);
    if (known.digest?.equals(digest) !== true) throw keyReused(key, order.queue, known.id);
    return known;
  }

  /** @throws RouseError NOT_FOUND TASK_UNKNOWN. */
  async get(id: string): Promise<TaskRow> {
    return read(this, known(id));
  }

  /** Newest first, without payloads and results. */
  async list(filter: {
    readonly queue: string;
    readonly state: TaskStateName | undefined;
    readonly roots: boolean;
    readonly limit: number;
    /** Of whose work. */
    readonly scope?: Scope;
  }): Promise<TaskRow[]> {
    const { rows } = await this.query(
      `SELECT ${BRIEF_COLUMNS} FROM tasks
       WHERE ($1 = '' OR queue = $1) AND ($2::text IS NULL OR state = $2) AND (NOT $3 OR parent IS NULL)
         AND ($5::text[] IS NULL OR caller = ANY ($5) OR split_part(queue, '/', 1) = ANY ($5))
       ORDER BY created_at DESC LIMIT $4`,
      [filter.queue, filter.state ?? null, filter.roots, filter.limit, filter.scope?.services ?? null],
    );
    return rows.map(rowOf);
  }

  /** A page of a task's subtasks in their order. @param turn 0: of all turns. @param after the last one of the former page. */
  async subtasks(
    id: string,
    { turn, brief, after, limit }: SubtaskPage,
  ): Promise<{ readonly row: TaskRow; readonly turn: number }[]> {
    const { rows } = await this.query(
      `SELECT ${brief ? BRIEF_COLUMNS : WHOLE_COLUMNS}, parent_turn FROM tasks
       WHERE parent = $1 AND ($2 = 0 OR parent_turn = $2) AND (parent_turn, position) > ($3, $4)
       ORDER BY parent_turn, position LIMIT $5`,
      [known(id), turn, after.turn, after.position, limit],
    );
    return rows.map((row: { parent_turn: number }) => ({ row: rowOf(row), turn: row.parent_turn }));
  }

  /** History of a task, the oldest first. */
  async changes(id: string, after = 0): Promise<PastChange[]> {
    return changesOf(this, [known(id)], after);
  }

  /**
   * Takes an outcome over.
   *
   * @throws RouseError FAILED_PRECONDITION TASK_NOT_ENDED, TASK_OF_PARENT; ABORTED TASK_COLLECTED.
   */
  async collect(id: string, by: string): Promise<TaskRow> {
    return this.#change(id, 0, (ledger, task) => {
      if (task.parent !== "") throw collectedBy(task);
      return ledger.apply(task, { kind: "collect", by });
    });
  }

  /**
   * Ends a task and all below it. One that has ended stays as it is.
   *
   * @param revision The one that the caller has seen; 0: whichever.
   * @throws RouseError ABORTED TASK_CHANGED.
   */
  async cancel(id: string, reason: string, revision: number): Promise<TaskRow> {
    const error = cancelled(reason);
    return this.#change(id, revision, (ledger, task) => cancelTree(ledger, task, error));
  }

  /** @throws RouseError FAILED_PRECONDITION TASK_NOT_SLEEPING; ABORTED TASK_CHANGED. */
  async wake(id: string, revision: number): Promise<TaskRow> {
    return this.#change(id, revision, (ledger, task) => ledger.apply(task, { kind: "wake" }));
  }

  /** Hands the subtasks that have ended over to their parents. */
  async collectSubtasks(parents: readonly string[]): Promise<void> {
    for (const parent of parents)
      await transact(this.#pool, async (client) => {
        const ledger = await lockTasks(client, `id = $1 OR (parent = $1 AND ${UNCOLLECTED})`, [parent]);
        collectSubtasks(ledger, parent);
        await save(client, ledger);
      });
  }

  /** Parents of subtasks that have ended and were not handed over. */
  async uncollected(): Promise<string[]> {
    const { rows } = await this.query(
      `SELECT DISTINCT parent FROM tasks WHERE parent IS NOT NULL AND ${UNCOLLECTED}`,
    );
    return (rows as { parent: string }[]).map(({ parent }) => parent);
  }

  /** Wakes what has slept long enough. @returns ms until the next one is due; undefined: none sleeps. */
  async wakeSleepers(): Promise<number | undefined> {
    const ms = await this.#nextSleeper();
    if (ms === undefined || ms > 0) return ms;
    await transact(this.#pool, async (client) => {
      const ledger = await lockTasks(client, "state = 'sleeping' AND wake_at <= clock_timestamp()", []);
      for (const task of ledger.all()) ledger.apply(task, { kind: "wake" });
      await save(client, ledger);
    });
    return this.#nextSleeper();
  }

  async #nextSleeper(): Promise<number | undefined> {
    const { rows } = await this.query(
      "SELECT extract(epoch FROM min(wake_at) - clock_timestamp()) * 1000 AS ms FROM tasks WHERE state = 'sleeping'",
    );
    const [next] = rows as { ms: string | null }[];
    return next?.ms == null ? undefined : Math.max(0, Number(next.ms));
  }

  /** Forgets roots that ended long enough ago, with all below them. @returns how many. */
  async expire(): Promise<number> {
    const { rowCount } = await this.query(
      "DELETE FROM tasks WHERE parent IS NULL AND ended_at + keep_ms * interval '1 millisecond' < clock_timestamp()",
    );
    return rowCount ?? 0;
  }

  async query(text: string, values: readonly unknown[] = []) {
    try {
      return await this.#pool.query(text, [...values]);
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  async #change(
    id: string,
    revision: number,
    change: (ledger: Ledger, task: TaskNode) => TaskNode | Refusal,
  ): Promise<TaskRow> {
    return transact(this.#pool, async (client) => {
      const ledger = await lockTree(client, known(id));
      const task = ledger.get(id);
      if (task === undefined) throw unknownTask(id);
      if (revision !== 0 && revision !== task.revision)
        throw conflict(task, revision, await changesOf(client, [id], revision));
      const after = change(ledger, task);
      if (typeof after === "string") {
        const error = refusalError(task, after);
        if (error !== undefined) throw error;
      }
      await save(client, ledger);
      return read(client, id);
    });
  }
}

export interface SubtaskPage {
  readonly turn: number;
  readonly brief: boolean;
  readonly after: { readonly turn: number; readonly position: number };
  readonly limit: number;
}

const UNCOLLECTED = "collected_by = '' AND state IN ('done_calculating', 'failed', 'cancelled')";

/** What the caller of an API is told; undefined: it is as they want it. */
function refusalError(task: TaskNode, refusal: Refusal): RouseError | undefined {
  switch (refusal) {
    case "open":
      return notEnded(task);
    case "taken":
      return collectedBy(task);
    case "awake":
      return notSleeping(task);
    case "over":
      return alreadyOver(task);
    default:
      return undefined;
  }
}

interface Querying {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

async function read(client: Querying, id: string): Promise<TaskRow> {
  const { rows } = await client.query(`SELECT ${WHOLE_COLUMNS} FROM tasks WHERE id = $1`, [id]);
  const [row] = rows;
  if (row === undefined) throw unknownTask(id);
  return rowOf(row);
}

export async function changesOf(client: Querying, ids: readonly string[], after = 0): Promise<PastChange[]> {
  const { rows } = await client.query(
    `SELECT ${CHANGE_COLUMNS} FROM task_changes WHERE task = ANY($1::uuid[]) AND revision > $2 ORDER BY task, revision`,
    [ids, after],
  );
  return rows.map(changeOf);
}

/** Locks a task and what is open below it. A task that splits meanwhile brings new ones. */
async function lockTree(client: PoolClient, id: string): Promise<Ledger> {
  const tree = `WITH RECURSIVE tree AS (
      SELECT id FROM tasks WHERE id = $1
      UNION ALL SELECT tasks.id FROM tasks JOIN tree ON tasks.parent = tree.id WHERE tasks.ended_at IS NULL)
    SELECT id FROM tree`;
  const ids = async () => {
    const { rows } = await client.query<{ id: string }>(tree, [id]);
    return rows.map((row) => row.id);
  };
  let seen = await ids();
  for (;;) {
    const ledger = await lockTasks(client, "id = ANY($1::uuid[])", [seen]);
    const now = await ids();
    if (now.length <= seen.length) return ledger;
    seen = now;
  }
}

/** @throws RouseError NOT_FOUND TASK_UNKNOWN for what is no id at all. */
function known(id: string): string {
  if (isId(id)) return id;
  throw unknownTask(id);
}

/**
 * Inserts tasks with the first line of their history, and tells that they are there, in one statement.
 *
 * @returns their rows; none where the key is taken.
 */
export async function insertTasks(
  client: Querying,
  orders: readonly TaskOrder[],
  of: {
    readonly key?: string;
    readonly digest?: Buffer;
    readonly caller?: string;
    readonly parent?: { readonly id: string; readonly turn: number };
  },
): Promise<TaskRow[]> {
  const { key = "", digest = null, caller = "", parent } = of;
  const { rows } = await client.query(
    `WITH made AS (
       INSERT INTO tasks (id, position, queue, payload, priority, retries, most_losses, keep_ms,
         idempotency_key, digest, caller, parent, parent_turn)
       SELECT n.*, $8, $9, $10, $11, $12 FROM (
         SELECT id, ordinality::int - 1, queue, payload, priority, retries, most_losses, keep_ms
         FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::int[], $5::int[], $6::int[], $7::bigint[])
         WITH ORDINALITY AS u(id, queue, payload, priority, retries, most_losses, keep_ms, ordinality)) AS n
       ON CONFLICT (queue, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
       RETURNING *),
     noted AS (
       INSERT INTO task_changes (task, revision, kind, state, assignment, by, note)
       SELECT id, revision, 'submit', state, 0, $13, '' FROM made),
     told AS (
       SELECT count(pg_notify('${TASKS_CHANGED}', id || ' open')), count(pg_notify('${TASKS_READY}', '')) FROM made)
     SELECT ${WHOLE_COLUMNS} FROM made, told`,
    [
      orders.map(() => randomUUID()),
      orders.map(({ queue }) => queue),
      orders.map(({ payload }) => payload),
      orders.map(({ priority }) => priority),
      orders.map(({ retries }) => retries),
      orders.map(({ mostLosses }) => mostLosses),
      orders.map(({ keepMs }) => keepMs),
      key === "" ? null : key,
      digest,
      caller,
      parent?.id ?? null,
      parent?.turn ?? 0,
      parent === undefined ? caller : `task:${parent.id}`,
    ],
  );
  return rows.map(rowOf);
}
