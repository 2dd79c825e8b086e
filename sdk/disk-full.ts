import { RouseError } from "./errors.ts";

/** Of SQLite: https://www.sqlite.org/rescode.html#full */
const SQLITE_FULL = 13;

/**
 * What to tell of an error that came of a disk without room; undefined for any other error.
 *
 * @param what What cannot be done for it, as a clause.
 */
export function diskFull(thrown: unknown, what: string): RouseError | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const code = "code" in thrown ? thrown.code : undefined;
  const sqlite = "errcode" in thrown && thrown.errcode === SQLITE_FULL;
  if (code !== "ENOSPC" && code !== "EDQUOT" && !sqlite) return undefined;
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `A disk is full: ${what} (${thrown.message}). Make room on it.`,
    {
      reason: "DISK_FULL",
      cause: thrown,
    },
  );
}
