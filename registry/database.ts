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

/**
 * Tidies a database now and then. What fails, as on a disk that is full, is left for the next time: the registry must not end for it.
 *
 * @param everyMs Pause between two times, ms.
 */
export function tidyEach(everyMs: number, tidy: () => void): NodeJS.Timeout {
  const attempt = () => {
    try {
      tidy();
    } catch {
      // Who writes there is told what is wrong.
    }
  };
  return setInterval(attempt, everyMs).unref();
}
