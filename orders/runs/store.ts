import type { Pool, QueryResult } from "pg";
import type { z } from "zod";
import { type Entry, entryKindToNumber } from "#proto/rouse/orders/v1/durable.ts";
import type { OperationError } from "#proto/rouse/orders/v1/operations.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { inTransaction } from "../artifacts/transaction.ts";
import { unreachable } from "../database/connect.ts";
import { COLUMNS, errorJson, type OperationRow, rowSchema, type StateName } from "../operations/record.ts";
import { insertion, type NewOperation } from "../operations/store.ts";
import type { Scope } from "../rights.ts";
import { Batch } from "./batch.ts";
import {
  ENTRY_COLUMNS,
  type EntryRow,
  entrySchema,
  type KeptRow,
  keptSchema,
  type RunRow,
  runSchema,
} from "./record.ts";

/** An entry that is to be on disk. */
export interface NewEntry {
  readonly run: string;
  readonly entry: Entry;
}

/** How a run ended. */
export interface RunEnd {
  readonly run: string;
  readonly beganAtMs: number;
  readonly attempts: number;
  readonly outcome: { readonly response: Buffer } | { readonly error: RouseError };
  /** The last ones, which are to be on disk with it. */
  readonly entries: readonly Entry[];
}

/** What completes an entry. */
export type Completion = { readonly value: Buffer } | { readonly error: OperationError };

const OPEN = "o.state IN ('waiting', 'running')";
/** Statements of one batch stay well below what one message of PostgreSQL's protocol takes in parameters. */
const MOST_BATCH = 400;
const RUN_COLUMNS = `${COLUMNS.split(", ")
  .map((column) => `o.${column}`)
  .join(
    ", ",
  )}, r.key, r.waiting, r.wakes_at_ms, r.retries, r.trouble, j.entries, coalesce(j.bytes, 0) AS bytes`;
/** Of an operation that ends, whose response is at hand. */
const ENDED_COLUMNS = COLUMNS.split(", ")
  .filter((column) => column !== "response")
  .map((column) => `o.${column}`)
  .join(", ");
const FROM_RUNS = `FROM operations o JOIN runs r ON r.id = o.id
  CROSS JOIN LATERAL (SELECT count(*) AS entries, sum(length(value)) AS bytes FROM run_entries e WHERE e.run = o.id) j`;
/** Widths of run_entries and its values. */
const ENTRY_PARAMETERS = 14;

/** The tables of durable runs. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class RunStore {
  readonly #pool: Pool;
  readonly #entries = new Batch<NewEntry, boolean>(MOST_BATCH, (items) => this.#insertEntries(items));
  readonly #ends = new Batch<RunEnd, OperationRow | undefined>(MOST_BATCH, (items) =>
    this.#insertEnds(items),
  );

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** All runs that have not ended, in the order in which they were started. */
  async open(): Promise<RunRow[]> {
    return this.#runs(`SELECT ${RUN_COLUMNS} ${FROM_RUNS} WHERE o.durable AND ${OPEN} ORDER BY r.seq`);
  }

  /** @returns undefined when there is no such run. */
  async get(id: string): Promise<RunRow | undefined> {
    const [row] = await this.#runs(`SELECT ${RUN_COLUMNS} ${FROM_RUNS} WHERE o.id = $1`, [id]);
    return row;
  }

  /** Runs that were just started, with their requests, in the order in which they were. */
  async started(ids: readonly string[]): Promise<{ row: RunRow; request: Buffer }[]> {
    const { rows } = await this.#run(
      `SELECT ${RUN_COLUMNS}, o.request ${FROM_RUNS} WHERE o.id = ANY ($1::uuid[]) AND ${OPEN} ORDER BY r.seq`,
      [ids],
      "started-runs",
    );
    return (rows as { request: Buffer }[]).map((row) => ({
      row: runSchema.parse(row),
      request: row.request,
    }));
  }

  /** Newest first, without results. */
  async list(wanted: {
    readonly service: string;
    readonly version: string;
    readonly key: string;
    readonly states: readonly StateName[];
    readonly sleeping: boolean | undefined;
    readonly limit: number;
    /** Of whose work. */
    readonly scope?: Scope;
  }): Promise<RunRow[]> {
    const columns = RUN_COLUMNS.replace(" o.response,", " NULL::bytea AS response,");
    return this.#runs(
      `SELECT ${columns} ${FROM_RUNS} WHERE o.durable AND ($1 = '' OR o.service = $1) AND ($2 = '' OR o.version = $2)
         AND ($3 = '' OR r.key = $3) AND o.state = ANY ($4) AND ($5::boolean IS NULL OR (r.waiting IS NOT NULL) = $5)
         AND ($7::text IS NULL OR o.asker = $7 OR o.service = ANY ($8) OR o.caller = ANY ($8))
       ORDER BY o.created_at DESC LIMIT $6`,
      [
        wanted.service,
        wanted.version,
        wanted.key,
        wanted.states,
        wanted.sleeping ?? null,
        wanted.limit,
        wanted.scope?.provider ?? null,
        wanted.scope?.services ?? [],
      ],
    );
  }

  async request(id: string): Promise<Buffer | undefined> {
    const { rows } = await this.#run("SELECT request FROM operations WHERE id = $1", [id]);
    return (rows as { request: Buffer }[])[0]?.request;
  }

  /** What a replay needs: what is done in the order of completions, then what is under way. */
  async journal(id: string): Promise<EntryRow[]> {
    const { rows } = await this.#run(
      `SELECT ${ENTRY_COLUMNS} FROM run_entries WHERE run = $1 ORDER BY NOT done, ord, index`,
      [id],
    );
    return parse(entrySchema, rows);
  }

  /** What is under way of the run, without values. */
  async pending(id: string): Promise<EntryRow[]> {
    const { rows } = await this.#run(
      `SELECT ${ENTRY_COLUMNS} FROM run_entries WHERE run = $1 AND NOT done ORDER BY index`,
      [id],
    );
    return parse(entrySchema, rows);
  }

  /** Latest place in the order of completions. */
  async lastOrder(id: string): Promise<number> {
    const { rows } = await this.#run("SELECT coalesce(max(ord), 0) AS last FROM run_entries WHERE run = $1", [
      id,
    ]);
    return Number((rows as { last: string }[])[0]?.last ?? 0);
  }

  /** Puts an entry on disk, in one commit with others. @returns false when another one is there already. */
  append(entry: NewEntry): Promise<boolean> {
    return this.#entries.add(entry);
  }

  /** Puts an entry and the operation that it starts on disk, in one commit. @returns false when the run has ended or the entry is there. */
  async appendCall({ run, entry }: NewEntry, child: NewOperation): Promise<boolean> {
    return inTransaction(this.#pool, async (db) => {
      const { rowCount } = await db.query(`SELECT 1 FROM operations o WHERE id = $1 AND ${OPEN} FOR SHARE`, [
        run,
      ]);
      if (rowCount !== 1) return false;
      const { rowCount: written } = await db.query(...entryInsertion([{ run, entry, child: child.id }]));
      if (written !== 1) return false;
      const { text, values } = insertion(child);
      await db.query(text, values);
      return true;
    });
  }

  /** Completes an entry that is under way. @returns false when it was complete already, or is not there. */
  async complete(run: string, index: number, order: number, completion: Completion): Promise<boolean> {
    const { rowCount } = await this.#run(
      `UPDATE run_entries SET done = true, value = $3, error = $4, ord = $5, completed_at_ms = $6
       WHERE run = $1 AND index = $2 AND NOT done`,
      [
        run,
        index,
        "value" in completion ? completion.value : Buffer.alloc(0),
        "error" in completion ? JSON.stringify(completion.error) : null,
        order,
        Date.now(),
      ],
    );
    return rowCount === 1;
  }

  /** Ends a run, in one commit with others. @returns undefined when it had ended before, or another has one of the entries' places. */
  finish(end: RunEnd): Promise<OperationRow | undefined> {
    return this.#ends.add(end);
  }

  /** An instance has it: others are told that it runs. */
  async running(id: string, attempts: number): Promise<void> {
    await this.#run(
      `WITH o AS (UPDATE operations o SET state = 'running', attempts = $2, started_at = coalesce(started_at, clock_timestamp()),
           revision = revision + 1 WHERE id = $1 AND ${OPEN})
       UPDATE runs SET waiting = NULL, wakes_at_ms = NULL, trouble = '' WHERE id = $1`,
      [id, attempts],
    );
  }

  /** No instance has it any more: it waits for these entries. */
  async sleeping(id: string, waiting: readonly number[], wakesAtMs: number | undefined): Promise<void> {
    await this.#run("UPDATE runs SET waiting = $2, wakes_at_ms = $3, trouble = '' WHERE id = $1", [
      id,
      waiting,
      wakesAtMs ?? null,
    ]);
  }

  /** Why it is not at an instance, for people. */
  async trouble(id: string, text: string): Promise<void> {
    await this.#run("UPDATE runs SET trouble = $2 WHERE id = $1", [id, text.replaceAll("\0", "")]);
  }

  /** How an operation ended; undefined: it has not, or is not there. */
  async outcome(id: string): Promise<Completion | "open" | "unknown"> {
    const { rows } = await this.#run("SELECT state, response, error FROM operations WHERE id = $1", [id]);
    const [row] = rows as { state: StateName; response: Buffer | null; error: OperationError | null }[];
    if (row === undefined) return "unknown";
    if (row.state === "waiting" || row.state === "running") return "open";
    return row.error === null ? { value: row.response ?? Buffer.alloc(0) } : { error: row.error };
  }

  async answer(id: string, name: string): Promise<Buffer | undefined> {
    const { rows } = await this.#run("SELECT value FROM run_answers WHERE run = $1 AND name = $2", [
      id,
      name,
    ]);
    return (rows as { value: Buffer }[])[0]?.value;
  }

  /** The first answer of a name holds. Whoever leads is told. */
  async giveAnswer(id: string, name: string, value: Buffer): Promise<void> {
    await this.#run(
      `WITH given AS (INSERT INTO run_answers VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
       SELECT pg_notify('rouse_runs', $1::text || ' answer')`,
      [id, name, value],
    );
  }

  /** What runs of a service and key have kept under a name; undefined: nothing. */
  async kept({ service, key }: Pick<RunRow, "service" | "key">, name: string): Promise<Buffer | undefined> {
    const { rows } = await this.#run(
      "SELECT value FROM run_kept WHERE service = $1 AND key = $2 AND name = $3",
      [service, key, name],
      "kept-of-key",
    );
    return (rows as { value: Buffer }[])[0]?.value;
  }

  /** What is kept of a service, by key and name. @param key empty: of all keys. */
  async listKept(service: string, key: string, limit: number): Promise<KeptRow[]> {
    const { rows } = await this.#run(
      `SELECT key, name, value, run, kept_at FROM run_kept WHERE service = $1 AND ($2 = '' OR key = $2)
       ORDER BY key, name LIMIT $3`,
      [service, key, limit],
    );
    return parse(keptSchema, rows);
  }

  /** Forgets what is kept of a key. @param name empty: all of it. @returns how much. */
  async forgetKept(service: string, key: string, name: string): Promise<number> {
    const { rowCount } = await this.#run(
      "DELETE FROM run_kept WHERE service = $1 AND key = $2 AND ($3 = '' OR name = $3)",
      [service, key, name],
    );
    return rowCount ?? 0;
  }

  /** Cancels all that runs which were cancelled have started, and what those have. @returns how many. */
  async cancelOrphans(error: RouseError): Promise<number> {
    const { rowCount } = await this.#run(
      `WITH RECURSIVE gone AS (
         SELECT id FROM operations WHERE durable AND state = 'cancelled' AND id IN (SELECT parent FROM operations o WHERE parent IS NOT NULL AND ${OPEN})
         UNION SELECT o.id FROM operations o JOIN gone ON o.parent = gone.id WHERE ${OPEN})
       UPDATE operations o SET state = 'cancelled', error = $1, ended_at = clock_timestamp(), revision = revision + 1
       WHERE ${OPEN} AND o.parent IN (SELECT id FROM gone)`,
      [errorJson(error)],
    );
    return rowCount ?? 0;
  }

  /**
   * Opens an ended run again, without its entries from one on.
   *
   * @param error with which operations end that those entries started and that go on.
   * @returns false when it has not ended.
   */
  async reopen(id: string, from: number, version: string, error: RouseError): Promise<boolean> {
    const { rowCount } = await this.#run(
      `WITH o AS (UPDATE operations SET state = 'waiting', response = NULL, error = NULL, ended_at = NULL, version = $3,
           revision = revision + 1 WHERE id = $1 AND durable AND ended_at IS NOT NULL RETURNING id),
         forgotten AS (DELETE FROM run_entries WHERE run IN (SELECT id FROM o) AND index >= $2 RETURNING child),
         children AS (UPDATE operations o SET state = 'cancelled', error = $4, ended_at = clock_timestamp(), revision = revision + 1
           WHERE id IN (SELECT child FROM forgotten) AND ${OPEN}),
         answers AS (DELETE FROM run_answers WHERE run IN (SELECT id FROM o) AND name IN
           (SELECT name FROM run_entries WHERE run = $1 AND index >= $2 AND kind = 6))
       UPDATE runs SET retries = retries + 1, waiting = NULL, wakes_at_ms = NULL, trouble = '',
         seq = nextval(pg_get_serial_sequence('runs', 'seq')) WHERE id IN (SELECT id FROM o)`,
      [id, from, version, errorJson(error)],
    );
    return rowCount === 1;
  }

  async #insertEntries(items: readonly NewEntry[]): Promise<boolean[]> {
    const [text, values] = entryInsertion(items);
    const name = items.length === 1 ? "append-entry" : undefined;
    const { rows } = await this.#run(text, values, name);
    const written = new Set(
      (rows as { run: string; index: number }[]).map(({ run, index }) => `${run} ${index}`),
    );
    return items.map(({ run, entry }) => written.has(`${run} ${entry.index}`));
  }

  async #insertEnds(items: readonly RunEnd[]): Promise<(OperationRow | undefined)[]> {
    const last = items.flatMap(({ run, entries }) => entries.map((entry) => ({ run, entry })));
    const [insert, values] = last.length === 0 ? ["", []] : entryInsertion(last);
    const rows = items.map(({ run, beganAtMs, attempts, outcome, entries }) => {
      const first = values.length + 1;
      values.push(
        run,
        "error" in outcome ? "failed" : "succeeded",
        "error" in outcome ? null : outcome.response,
        "error" in outcome ? errorJson(outcome.error) : null,
        attempts,
        new Date(beganAtMs),
        entries.length,
      );
      const at = (column: number) => `$${first + column}`;
      return `(${at(0)}::uuid, ${at(1)}, ${at(2)}::bytea, ${at(3)}::json, ${at(4)}::integer, ${at(5)}::timestamptz, ${at(6)}::integer)`;
    });
    const { rows: found } = await this.#run(
      `${insert === "" ? "" : `WITH written AS (${insert})`}
       UPDATE operations o SET state = e.state, response = e.response, error = e.error, attempts = e.attempts,
         started_at = coalesce(o.started_at, e.began), ended_at = clock_timestamp(), revision = revision + 1
       FROM (VALUES ${rows.join(", ")}) AS e (id, state, response, error, attempts, began, entries)
       WHERE o.id = e.id AND ${OPEN}
         ${insert === "" ? "" : "AND e.entries = (SELECT count(*) FROM written w WHERE w.run = e.id)"}
       RETURNING ${ENDED_COLUMNS}`,
      values,
      items.length === 1 && last.length <= 1 ? `end-run-${last.length}` : undefined,
    );
    const ended = new Map((found as { id: string }[]).map((row) => [row.id, row]));
    return items.map(({ run, outcome }) => {
      const row = ended.get(run);
      const response = "error" in outcome ? null : outcome.response;
      return row && rowSchema.parse({ ...row, response });
    });
  }

  async #runs(text: string, values: readonly unknown[] = []): Promise<RunRow[]> {
    const { rows } = await this.#run(text, values);
    return parse(runSchema, rows);
  }

  async #run(text: string, values: readonly unknown[] = [], name?: string): Promise<QueryResult> {
    try {
      return await this.#pool.query({ text, values: [...values], ...(name !== undefined && { name }) });
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

function parse<T>(schema: z.ZodType<T>, rows: readonly unknown[]): T[] {
  return rows.map((row) => schema.parse(row));
}

function entryInsertion(
  items: readonly (NewEntry & { readonly child?: string })[],
): [text: string, values: unknown[]] {
  const values: unknown[] = [];
  const now = Date.now();
  const rows = items.map(({ run, entry, child }, place) => {
    values.push(
      run,
      entry.index,
      entryKindToNumber(entry.kind),
      entry.name,
      entry.digest,
      entry.done,
      entry.value,
      entry.error === undefined ? null : JSON.stringify(entry.error),
      entry.untilMs,
      child ?? null,
      entry.beganAtMs,
      now,
      entry.done ? now : 0,
      entry.order,
    );
    const places = Array.from(
      { length: ENTRY_PARAMETERS },
      (_, column) => place * ENTRY_PARAMETERS + column + 1,
    );
    return `(${places.map((number) => `$${number}`).join(", ")})`;
  });
  return [
    `INSERT INTO run_entries (run, index, kind, name, digest, done, value, error, until_ms, child, began_at_ms, recorded_at_ms,
       completed_at_ms, ord)
     VALUES ${rows.join(", ")} ON CONFLICT DO NOTHING RETURNING run, index`,
    values,
  ];
}
