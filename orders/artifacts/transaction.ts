import type { Pool } from "pg";
import { unreachable } from "../database/connect.ts";
import type { Db } from "./rows.ts";

/** The pool, whose errors say that the database is away. */
export function checked(db: Db): Db {
  const query = async (text: string, values?: unknown[]) => {
    try {
      return await db.query(text, values);
    } catch (cause) {
      throw unreachable(cause);
    }
  };
  return { query: query as Db["query"] };
}

/**
 * Runs work in one transaction; what it throws undoes it.
 *
 * @throws RouseError UNAVAILABLE DATABASE_UNREACHABLE; what the work throws.
 */
export async function inTransaction<T>(pool: Pool, work: (db: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((cause: unknown) => {
    throw unreachable(cause);
  });
  const db = checked(client);
  let broken: Error | undefined;
  // The pool listens only to connections that nobody has.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    await db.query("BEGIN");
    const result = await work(db);
    await db.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((failed: Error) => {
      broken = failed;
    });
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}
