import { join } from "node:path";
import { Pool } from "pg";
import type { Logger } from "pino";
import { RouseError } from "../../sdk/errors.ts";
import type { OrdersPart } from "../part.ts";
import { type Database, embeddedDatabase } from "./embedded.ts";
import { migrate } from "./schema.ts";

export interface DatabaseOptions {
  /** postgresql://… of a server of the user's; undefined: the packaged one, in the data folder. */
  readonly url: string | undefined;
  /** Where the packaged one keeps its data. */
  readonly folder: string;
  /** Whose tables it shall have. */
  readonly parts: readonly Pick<OrdersPart, "name" | "tables">[];
  readonly log: Logger;
  /** How long a connection, a statement, or room among the connections is waited for, ms. Default 30,000. */
  readonly patienceMs?: number;
}

/** A database that is ready for orders. */
export interface OrdersDatabase {
  readonly url: string;
  readonly pool: Pool;
  close(): Promise<void>;
}

/** Connections at one time. */
const MOST_CONNECTIONS = 20;
/** Shorter than callers wait for orders, so that they are told what it is that does not answer. */
const PATIENCE_MS = 30_000;

/**
 * Connects to the database, and brings its tables up to date.
 *
 * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; FAILED_PRECONDITION as {@link embeddedDatabase}.
 */
export async function openDatabase({
  url,
  folder,
  parts,
  log,
  patienceMs = PATIENCE_MS,
}: DatabaseOptions): Promise<OrdersDatabase> {
  const database: Database =
    url === undefined
      ? await embeddedDatabase(join(folder, "postgres"))
      : { url, close: async () => undefined };
  const pool = new Pool({
    connectionString: database.url,
    max: MOST_CONNECTIONS,
    options: "-c search_path=rouse_orders",
    application_name: "rouse-orders",
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
    keepAlive: true,
  });
  // A connection that breaks while nobody uses it; the next use makes another.
  pool.on("error", ({ message }) => log.warn({ message }, "a connection to the database broke"));
  const close = async () => {
    await pool.end();
    await database.close();
  };
  try {
    await migrate(database.url, parts, patienceMs);
    return { url: database.url, pool, close };
  } catch (cause) {
    await close();
    throw unreachable(cause);
  }
}

/** PostgreSQL's words for a disk without room: disk_full. */
const DISK_FULL = "53100";

/** Whether an error says that the database is away or has no room: nobody else is at fault. */
export function isDatabaseAway({ reason }: RouseError): boolean {
  return reason === "DATABASE_UNREACHABLE" || reason === "DATABASE_FULL";
}

/** What callers are told while the database is away, or has no room. */
export function unreachable(cause: unknown): RouseError {
  const said = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof Error && "code" in cause && cause.code === DISK_FULL)
    return new RouseError(
      "UNAVAILABLE",
      `The disk of orders' database is full (${said}), so that nothing new can be kept. Nothing is lost; make room there, and what was begun goes on.`,
      { reason: "DATABASE_FULL", cause },
    );
  return new RouseError(
    "UNAVAILABLE",
    `The database of orders does not answer (${said}). Nothing is lost; what was begun goes on when it is back.`,
    { reason: "DATABASE_UNREACHABLE", cause },
  );
}
