import { DatabaseSync } from "node:sqlite";

/**
 * Opens an embedded database. Its commits survive a crash of the process; the last ones may be lost with the power.
 *
 * @param file path, or ":memory:".
 * @param schema statements that make what is missing; they run at every start.
 */
export function openDatabase(file: string, schema: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
  database.exec(schema);
  return database;
}
