import { isMainThread } from "node:worker_threads";
import { RouseError } from "../errors.ts";

/**
 * Ends an instance of the mesh that cannot start by one line that says why: the end of its output is what callers are
 * told, and a stack trace would push the reason out of sight. Errors that nobody foresaw keep their stack.
 */
export function endInstance(error: unknown): never {
  const alone = process.env.ROUSE_INSTANCE !== undefined && isMainThread;
  if (!alone || !(error instanceof RouseError)) throw error;
  // Synchronous for files, pipes and terminals on POSIX systems.
  process.stderr.write(`${error.message} (${error.reason})\n`);
  process.exit(1);
}
