import type { Pool, PoolClient } from "pg";
import { z } from "zod";
import type { RouseError } from "../../sdk/errors.ts";
import { unreachable } from "../database/connect.ts";
import { type Deal, deal } from "./deal.ts";
import { lateReport, type PastChange, unknownTask, workerEnded, workersLost } from "./errors.ts";
import { Ledger, loseWorker, type TaskNode } from "./ledger.ts";
import { isOver, type TaskError, type TaskReport } from "./machine.ts";
import { NODE_COLUMNS, nodeOf } from "./record.ts";
import type { TaskOrder, WorkerOrder } from "./settings.ts";
import { changesOf, insertTasks } from "./store.ts";
import { TASK_WORKERS_CHANGED, TASKS_READY } from "./tables.ts";
import { type Carried, lockTasks, save, type Told, tell, transact } from "./transact.ts";

/** What a worker says of a task, with all that belongs to it. */
export type WorkReport = {
  readonly task: string;
  readonly worker: string;
  readonly assignment: number;
} & (
  | { readonly kind: "begin" | "release" }
  | { readonly kind: "finish"; readonly result: Buffer }
  | { readonly kind: "fail"; readonly error: TaskError }
  | { readonly kind: "split"; readonly subtasks: readonly TaskOrder[]; readonly kept: Buffer }
  | { readonly kind: "sleep"; readonly forMs: number; readonly kept: Buffer }
);

/** What became of a report: noted down, now or before; or why not. */
export type ReportOutcome =
  | { readonly accepted: true; readonly parent: string }
  | { readonly accepted: false; readonly error: RouseError };

/** A task as it is given to a worker. */
export interface GivenTask {
  readonly id: string;
  readonly assignment: number;
  readonly payload: Buffer;
  readonly kept: Buffer;
  readonly turn: number;
  readonly losses: number;
  readonly failures: number;
  readonly parent: string;
}

export interface WorkerRow {
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  readonly room: number;
  readonly held: number;
  readonly leaseUntil: Date;
}

/**
 * The tables as workers and dispatch use them. Every change is one transaction. Everything throws UNAVAILABLE
 * DATABASE_UNREACHABLE while the database is away.
 */
export class WorkerStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /**
   * Takes a worker on, or takes its lease up again.
   *
   * @param session Of the stream that speaks for it from now on.
   * @throws RouseError ABORTED TASK_WORKER_ENDED.
   */
  async hello({ worker, queue, name, room, leaseMs, resumes }: WorkerOrder, session: string): Promise<void> {
    await transact(this.#pool, async (client) => {
      const { rowCount } = resumes
        ? await client.query(
            `UPDATE task_workers SET room = $3, lease_ms = $4, session = $5, lease_until = clock_timestamp() + $4::int * ${MS}
             WHERE id = $1 AND queue = $2`,
            [worker, queue, room, leaseMs, session],
          )
        : await client.query(
            `INSERT INTO task_workers (id, queue, room, lease_ms, session, name, lease_until)
             VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $4::int * ${MS})
             ON CONFLICT (id) DO UPDATE SET session = excluded.session, lease_until = excluded.lease_until
             WHERE task_workers.queue = excluded.queue`,
            [worker, queue, room, leaseMs, session, name],
          );
      if (rowCount !== 1) throw workerEnded(worker);
      await tell(client, [[TASKS_READY, ""]]);
    });
  }

  /** @returns false when the lease has ended, or another stream speaks for the worker. */
  async heartbeat(worker: string, session: string): Promise<boolean> {
    const { rowCount } = await this.#query(
      `UPDATE task_workers SET lease_until = clock_timestamp() + lease_ms * ${MS} WHERE id = $1 AND session = $2`,
      [worker, session],
    );
    return rowCount === 1;
  }

  /** The worker is given no more tasks; with `now` it gives back what it has, which counts as no loss. */
  async leave(worker: string, now: boolean): Promise<void> {
    await transact(this.#pool, async (client) => {
      await client.query("UPDATE task_workers SET leaving = true WHERE id = $1", [worker]);
      if (!now) return;
      const ledger = await lockTasks(client, `worker = $1 AND ${HELD}`, [worker]);
      for (const task of ledger.all())
        ledger.apply(task, { kind: "release", worker, assignment: task.assignment });
      await save(client, ledger);
      await client.query("DELETE FROM task_workers WHERE id = $1", [worker]);
    });
  }

  /** What a worker has. @param known whose payload is not needed. */
  async given(worker: string, known: readonly string[]): Promise<GivenTask[]> {
    const { rows } = await this.#query(
      `SELECT id, assignment, turn, losses, failures, parent,
         CASE WHEN id = ANY($2::uuid[]) THEN NULL ELSE payload END AS payload,
         CASE WHEN id = ANY($2::uuid[]) THEN NULL ELSE kept END AS kept
       FROM tasks WHERE worker = $1 AND ${HELD} ORDER BY changed_at`,
      [worker, known],
    );
    return rows.map((row) => {
      const { payload, kept, parent, ...rest } = givenSchema.parse(row);
      return { ...rest, payload: payload ?? NOTHING, kept: kept ?? NOTHING, parent: parent ?? "" };
    });
  }

  /** Why a worker does not have a task any more, as {@link lateReport}; undefined: of its own doing. */
  async whyGone(worker: string, task: string, assignment: number): Promise<RouseError | undefined> {
    const { rows } = await this.#query(
      "SELECT count(*)::int AS n FROM task_changes WHERE task = $1 AND assignment = $2",
      [task, assignment],
    );
    if ((rows[0] as { n: number } | undefined)?.n === 0) return unknownTask(task);
    const changes = await changesOf(this.#pool, [task]);
    const error = lateReport(task, changes, { kind: "begin", worker, assignment });
    return error;
  }

  /** Notes reports down, in their order, in one transaction. */
  async report(reports: readonly WorkReport[]): Promise<ReportOutcome[]> {
    return transact(this.#pool, async (client) => {
      const ids = [...new Set(reports.map(({ task }) => task))];
      const ledger = await lockTasks(client, "id = ANY($1::uuid[])", [ids]);
      const nowMs = reports.some(({ kind }) => kind === "sleep" || kind === "fail") ? await now(client) : 0;
      const carried = new Map<string, Carried>();
      const late = new Map<number, WorkReport>();
      const outcomes: ReportOutcome[] = [];
      for (const [at, report] of reports.entries()) {
        const task = ledger.get(report.task);
        if (task === undefined) {
          outcomes.push({ accepted: false, error: unknownTask(report.task) });
          continue;
        }
        const after = ledger.apply(task, eventOf(report, nowMs));
        outcomes.push({
          accepted: true,
          parent: typeof after !== "string" && isOver(after) ? after.parent : "",
        });
        if (after === "late") late.set(at, report);
        if (typeof after === "string") continue;
        if (report.kind === "finish") carried.set(task.id, { result: report.result });
        if (report.kind === "split" || report.kind === "sleep") carried.set(task.id, { kept: report.kept });
        if (report.kind === "split")
          await insertTasks(client, report.subtasks, { parent: { id: task.id, turn: task.turn } });
      }
      await save(client, ledger, carried);
      if (late.size > 0) {
        const histories = await historiesOf(
          client,
          [...late.values()].map(({ task }) => task),
        );
        for (const [at, report] of late) {
          const error = lateReport(report.task, histories.get(report.task) ?? [], report);
          if (error !== undefined) outcomes[at] = { accepted: false, error };
        }
      }
      return outcomes;
    });
  }

  /** @returns false when the worker does not have the task. */
  async progress(held: Pick<WorkReport, "task" | "worker" | "assignment">, fraction: number, note: string) {
    const { rowCount } = await this.#query(
      `WITH told AS (UPDATE tasks SET progress_fraction = $4, progress_note = $5
         WHERE id = $1 AND worker = $2 AND assignment = $3 AND ${HELD} RETURNING id)
       SELECT pg_notify('rouse_tasks', id || ' open') FROM told`,
      [held.task, held.worker, held.assignment, fraction, note],
    );
    return rowCount === 1;
  }

  /** Gives tasks to workers with room, round robin per queue. @returns how many. */
  async dispatch(): Promise<number> {
    return transact(this.#pool, async (client) => {
      const hands = await lockHands(client);
      const roomy = Map.groupBy(
        hands.filter(({ room }) => room > 0),
        ({ queue }) => queue,
      );
      if (roomy.size === 0) return 0;
      const { rows } = await client.query(
        `SELECT ready.* FROM unnest($1::text[], $2::int[]) AS q(name, room), LATERAL (
           SELECT ${NODE_COLUMNS} FROM tasks WHERE queue = q.name AND state = 'unassigned'
           ORDER BY priority DESC, seq LIMIT q.room FOR UPDATE SKIP LOCKED) AS ready`,
        [
          [...roomy.keys()],
          [...roomy.values()].map((of) =>
            Math.min(
              MOST_AT_ONCE,
              of.reduce((sum, { room }) => sum + room, 0),
            ),
          ),
        ],
      );
      if (rows.length === 0) return 0;
      const tasks = Map.groupBy(rows.map(nodeOf), ({ queue }) => queue);
      let turn = Math.max(...hands.map((hand) => hand.turn));
      const deals: Deal<TaskNode>[] = [];
      for (const [queue, ready] of tasks) {
        const dealt = deal(ready, roomy.get(queue) ?? [], turn);
        turn = dealt.at(-1)?.turn ?? turn;
        deals.push(...dealt);
      }
      const ledger = new Ledger(deals.map(({ task }) => task));
      for (const { task, worker } of deals) ledger.apply(task, { kind: "assign", worker });
      await save(client, ledger);
      const turns = new Map(deals.map((dealt) => [dealt.worker, dealt.turn]));
      await client.query(
        `UPDATE task_workers SET turn = n.turn FROM unnest($1::text[], $2::bigint[]) AS n(id, turn)
         WHERE task_workers.id = n.id`,
        [[...turns.keys()], [...turns.values()]],
      );
      return deals.length;
    });
  }

  /** Ends the leases whose heartbeat stayed away; what those workers had goes back into the queue. @returns how many. */
  async endLeases(): Promise<number> {
    const over = "lease_until < clock_timestamp()";
    const { rowCount } = await this.#query(`SELECT 1 FROM task_workers WHERE ${over} LIMIT 1`);
    if (rowCount === 0) return 0;
    return transact(this.#pool, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        `SELECT id FROM task_workers WHERE ${over} ORDER BY id FOR UPDATE`,
      );
      if (rows.length === 0) return 0;
      const workers = rows.map(({ id }) => id);
      const ledger = await lockTasks(client, `worker = ANY($1) AND ${HELD}`, [workers]);
      for (const worker of workers) loseWorker(ledger, worker, workersLost);
      await save(client, ledger);
      await client.query("DELETE FROM task_workers WHERE id = ANY($1)", [workers]);
      await tell(
        client,
        workers.map((worker): Told => [TASK_WORKERS_CHANGED, worker]),
      );
      return workers.length;
    });
  }

  /** Nobody could send a heartbeat while orders were away: all leases last their whole time from now. */
  async grace(): Promise<void> {
    await this.#query(
      `UPDATE task_workers SET lease_until = greatest(lease_until, clock_timestamp() + lease_ms * ${MS})`,
    );
  }

  async list(queue: string): Promise<WorkerRow[]> {
    const { rows } = await this.#query(
      `SELECT id, queue, name, room, lease_until AS "leaseUntil",
         (SELECT count(*)::int FROM tasks WHERE worker = task_workers.id AND ${HELD}) AS held
       FROM task_workers WHERE $1 = '' OR queue = $1 ORDER BY queue, since`,
      [queue],
    );
    return rows.map((row) => workerSchema.parse(row));
  }

  async #query(text: string, values: readonly unknown[] = []) {
    try {
      return await this.#pool.query(text, [...values]);
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

const MS = "interval '1 millisecond'";
const HELD = "state IN ('assigned', 'working')";
const NOTHING = Buffer.alloc(0);
/** Tasks of a queue that one transaction gives out. */
const MOST_AT_ONCE = 1_000;

const bytes = z.instanceof(Buffer).nullable();
const givenSchema = z.object({
  id: z.string(),
  assignment: z.number(),
  payload: bytes,
  kept: bytes,
  turn: z.number(),
  losses: z.number(),
  failures: z.number(),
  parent: z.string().nullable(),
});
const workerSchema = z.object({
  id: z.string(),
  queue: z.string(),
  name: z.string(),
  room: z.number(),
  held: z.number(),
  leaseUntil: z.date(),
});
const handSchema = z.object({ id: z.string(), queue: z.string(), room: z.number(), turn: z.coerce.number() });

/** The workers with what room they have left; nobody ends their leases meanwhile. */
async function lockHands(client: PoolClient): Promise<z.infer<typeof handSchema>[]> {
  const { rows } = await client.query(
    `SELECT id, queue, turn, CASE WHEN leaving THEN 0
       ELSE room - (SELECT count(*)::int FROM tasks WHERE worker = task_workers.id AND ${HELD}) END AS room
     FROM task_workers ORDER BY id FOR UPDATE`,
  );
  return rows.map((row) => handSchema.parse(row));
}

function eventOf(report: WorkReport, nowMs: number): TaskReport {
  const { worker, assignment } = report;
  switch (report.kind) {
    case "begin":
    case "release":
    case "finish":
      return { kind: report.kind, worker, assignment };
    case "fail":
      return { kind: "fail", worker, assignment, error: report.error, nowMs };
    case "split":
      return { kind: "split", worker, assignment, subtasks: report.subtasks.length };
    case "sleep":
      return { kind: "sleep", worker, assignment, untilMs: nowMs + report.forMs };
  }
}

async function historiesOf(client: PoolClient, ids: readonly string[]): Promise<Map<string, PastChange[]>> {
  return Map.groupBy(await changesOf(client, ids), ({ task }) => task);
}

/** The database's clock, which all processes share; ms since 1970. */
async function now(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ at: Date }>("SELECT clock_timestamp() AS at");
  return rows[0]?.at.getTime() ?? Date.now();
}
