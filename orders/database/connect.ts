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
}

/** A database that is ready for orders. */
export interface OrdersDatabase {
  readonly url: string;
  readonly pool: Pool;
  close(): Promise<void>;
}

/** Connections at one time. */
const MOST_CONNECTIONS = 20;

/**
 * Connects to the database, and brings its tables up to date.
 *
 * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; FAILED_PRECONDITION as {@link embeddedDatabase}.
 */
export async function openDatabase({ url, folder, parts, log }: DatabaseOptions): Promise<OrdersDatabase> {
  const database: Database =
    url === undefined
      ? await embeddedDatabase(join(folder, "postgres"))
      : { url, close: async () => undefined };
  const pool = new Pool({
    connectionString: database.url,
    max: MOST_CONNECTIONS,
    options: "-c search_path=rouse_orders",
    application_name: "rouse-orders",
  });
  // A connection that breaks while nobody uses it; the next use makes another.
  pool.on("error", ({ message }) => log.warn({ message }, "a connection to the database broke"));
  const close = async () => {
    await pool.end();
    await database.close();
  };
  try {
    await migrate(pool, parts);
    return { url: database.url, pool, close };
  } catch (cause) {
    await close();
    throw unreachable(cause);
  }
}

/** What callers are told while the database is away. */
export function unreachable(cause: unknown): RouseError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new RouseError(
    "UNAVAILABLE",
    `The database of orders does not answer (${said}). Nothing is lost; what was begun goes on when it is back.`,
    { reason: "DATABASE_UNREACHABLE", cause },
  );
}
