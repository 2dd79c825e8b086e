import type { Pool } from "pg";
import { RouseError } from "../../sdk/errors.ts";
import { unreachable } from "../database/connect.ts";
import type { Scope } from "../rights.ts";
import { Batch } from "../runs/batch.ts";
import { COLUMNS, errorJson, type OperationRow, rowSchema, type StateName } from "./record.ts";

/** A new operation. */
export interface NewOperation {
  readonly id: string;
  readonly service: string;
  readonly version: string;
  readonly method: string;
  readonly caller: string;
  /** Provider whose key it is asked for with. Default: none. */
  readonly asker?: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  readonly request: Buffer;
  /** SHA-256 of what the key stands for. */
  readonly requestDigest: Buffer;
  readonly idempotent: boolean;
  readonly deadlineMs: number;
  readonly startTimeoutMs: number;
  readonly keepMs: number;
  /** More request headers. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** It is a run with a journal (orders/runs). */
  readonly durable: boolean;
  /** Of a durable run: those with the same key come one after the other; empty: none. */
  readonly key: string;
  /** Durable run that started it. */
  readonly parent?: string;
  /** Of a durable run: its starter hears of it at its end only. */
  readonly awaited?: boolean;
}

const OPEN = "state IN ('waiting', 'running')";
/** Ends that one statement writes, and what has its own, bytes: an array of results is text, twice as long. */
const MOST_ENDS = 200;
const LARGE_BYTES = 65_536;

/** How a call ended. */
interface CallEnd {
  readonly id: string;
  readonly outcome: Buffer | RouseError;
}

/** The table of operations. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class OperationStore {
  readonly #pool: Pool;
  readonly #ends = new Batch<CallEnd, undefined>(MOST_ENDS, (ends) => this.#writeEnds(ends));

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** @returns the new operation, or the one that has its key already. */
  async insert(made: NewOperation): Promise<OperationRow> {
    const { text, values, name } = insertion(made);
    const [row] = await this.#query(text, values, name);
    if (row !== undefined) return row;
    const [known] = await this.#query(
      `SELECT ${COLUMNS} FROM operations WHERE service = $1 AND method = $2 AND idempotency_key = $3`,
      [made.service, made.method, made.idempotencyKey],
    );
    // It was forgotten in between.
    return known ?? this.insert(made);
  }

  async get(id: string): Promise<OperationRow | undefined> {
    const [row] = await this.#query(`SELECT ${COLUMNS} FROM operations WHERE id = $1`, [id], "get-operation");
    return row;
  }

  async request(id: string): Promise<Buffer | undefined> {
    const { rows } = await this.#run("SELECT request FROM operations WHERE id = $1", [id]);
    const [row] = rows as { request: Buffer }[];
    return row?.request;
  }

  /** Ids of what has not ended and is no durable run, the oldest first. */
  async open(): Promise<string[]> {
    const { rows } = await this.#run(
      `SELECT id FROM operations WHERE ${OPEN} AND NOT durable ORDER BY created_at`,
    );
    return (rows as { id: string }[]).map(({ id }) => id);
  }

  /** Newest first, without results. @param scope of whose work. */
  async list(
    service: string,
    state: StateName | undefined,
    limit: number,
    scope?: Scope,
  ): Promise<OperationRow[]> {
    const columns = COLUMNS.replace(" response,", " NULL::bytea AS response,");
    return this.#query(
      `SELECT ${columns} FROM operations WHERE ($1 = '' OR service = $1) AND ($2::text IS NULL OR state = $2)
         AND ($4::text IS NULL OR asker = $4 OR service = ANY($5) OR caller = ANY($5))
       ORDER BY created_at DESC LIMIT $3`,
      [service, state ?? null, limit, scope?.provider ?? null, scope?.services ?? []],
    );
  }

  /**
   * The call is made (again). Of one that may be made twice this need not be on disk before: if it is lost, the call is made again.
   *
   * @returns undefined when it has ended meanwhile, or must not be made twice and has had other attempts than `attempts`.
   */
  async begin({
    id,
    idempotent,
    attempts,
  }: Pick<OperationRow, "id" | "idempotent" | "attempts">): Promise<OperationRow | undefined> {
    const [row] = await this.#query(
      `UPDATE operations SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
         revision = revision + 1
       WHERE id = $1 AND ${OPEN} AND (idempotent OR attempts = $3)
         AND set_config('synchronous_commit', $2, true) IS NOT NULL RETURNING ${COLUMNS}`,
      [id, idempotent ? "off" : "on", attempts],
      "begin-operation",
    );
    return row;
  }

  /** Writes down how a call ended, unless it has ended otherwise: those that end meanwhile share a commit. */
  async end(id: string, outcome: Buffer | RouseError): Promise<void> {
    if (!(outcome instanceof RouseError) && outcome.length > LARGE_BYTES) {
      await this.succeed(id, outcome);
      return;
    }
    try {
      await this.#ends.add({ id, outcome });
    } catch {
      // Another one's end may be at fault; if the database is away, this tells it.
      if (outcome instanceof RouseError) await this.fail(id, outcome);
      else await this.succeed(id, outcome);
    }
  }

  async #writeEnds(ends: readonly CallEnd[]): Promise<undefined[]> {
    const failed = ({ outcome }: CallEnd) => outcome instanceof RouseError;
    await this.#run(
      `UPDATE operations o SET state = e.state, response = e.response, error = e.error::json, ended_at = clock_timestamp(),
         revision = o.revision + 1
       FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[]) AS e (id, state, response, error)
       WHERE o.id = e.id AND o.state IN ('waiting', 'running')`,
      [
        ends.map(({ id }) => id),
        ends.map((end) => (failed(end) ? "failed" : "succeeded")),
        ends.map(({ outcome }) => (outcome instanceof RouseError ? null : outcome)),
        ends.map(({ outcome }) => (outcome instanceof RouseError ? errorJson(outcome) : null)),
      ],
      "end-operations",
    );
    return ends.map(() => undefined);
  }

  async succeed(id: string, response: Buffer): Promise<OperationRow | undefined> {
    return this.#change(id, "state = 'succeeded', response = $2, ended_at = clock_timestamp()", [response]);
  }

  async fail(
    id: string,
    error: RouseError,
    state: "failed" | "cancelled" = "failed",
  ): Promise<OperationRow | undefined> {
    return this.#change(id, "state = $2, error = $3, ended_at = clock_timestamp()", [
      state,
      errorJson(error),
    ]);
  }

  async progress(id: string, fraction: number, note: string): Promise<OperationRow | undefined> {
    return this.#change(id, "progress_fraction = $2, progress_note = $3", [
      fraction,
      note.replaceAll("\0", ""),
    ]);
  }

  /** Forgets what ended long enough ago. @returns how many. */
  async expire(): Promise<number> {
    const { rowCount } = await this.#run(
      "DELETE FROM operations WHERE ended_at + keep_ms * interval '1 millisecond' < clock_timestamp()",
    );
    return rowCount ?? 0;
  }

  async #change(id: string, set: string, values: readonly unknown[] = []): Promise<OperationRow | undefined> {
    const [row] = await this.#query(
      `UPDATE operations SET ${set}, revision = revision + 1 WHERE id = $1 AND ${OPEN} RETURNING ${COLUMNS}`,
      [id, ...values],
    );
    return row;
  }

  async #query(text: string, values: readonly unknown[] = [], name?: string): Promise<OperationRow[]> {
    const { rows } = await this.#run(text, values, name);
    return rows.map((row) => rowSchema.parse(row));
  }

  /** @param name Of a statement that is often made: the database plans it once for each connection. */
  async #run(text: string, values: readonly unknown[] = [], name?: string) {
    try {
      return await this.#pool.query({ text, values: [...values], ...(name !== undefined && { name }) });
    } catch (cause) {
      throw unreachable(cause);
    }
  }
}

/** The statement that inserts an operation unless its idempotency key is there already; answers with its row. */
export function insertion(made: NewOperation): { name: string; text: string; values: unknown[] } {
  const values: unknown[] = [
    made.id,
    made.service,
    made.version,
    made.method,
    made.caller,
    made.idempotencyKey === "" ? null : made.idempotencyKey,
    made.request,
    made.requestDigest,
    made.idempotent,
    made.deadlineMs,
    made.startTimeoutMs,
    made.keepMs,
    made.headers === undefined ? null : JSON.stringify(made.headers),
    made.durable,
    made.parent ?? null,
    made.asker ?? "",
  ];
  const insert = `INSERT INTO operations (id, service, version, method, caller, idempotency_key, request, request_digest, idempotent,
      deadline_ms, start_timeout_ms, keep_ms, headers, durable, parent, asker, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'waiting')
    ON CONFLICT (service, method, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING ${COLUMNS}`;
  if (!made.durable) return { name: "start-operation", text: insert, values };
  const run = "INSERT INTO runs (id, key) SELECT id, $17 FROM made";
  // Nobody is told of it before its steps, whose commits put it on disk as well: it need not wait for the disk itself.
  const commit = made.awaited === true ? "off" : "on";
  const chosen = "set_config('synchronous_commit', $18, true) IS NOT NULL";
  return {
    name: "start-run",
    text: `WITH made AS (${insert}), run AS (${run}) SELECT ${COLUMNS} FROM made WHERE ${chosen}`,
    values: [...values, made.key, commit],
  };
}

/** NOT_FOUND for an operation that is not there (any more). */
export function unknownOperation(id: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no operation ${JSON.stringify(id.slice(0, 60))}: it never was, or its time is over. "rouse operations" lists those there are.`,
    { reason: "OPERATION_UNKNOWN" },
  );
}
