import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { RouseError } from "../../sdk/errors.ts";
import { withLock } from "../../setup/lock.mjs";
import { typedFlag } from "../flags.ts";

/** Longest path of a unix socket on Linux, bytes: sun_path of unix(7) without its final zero. */
const SOCKET_PATH_BYTES = 107;

/**
 * Makes the data folder and answers with its real path.
 *
 * @throws RouseError INVALID_ARGUMENT DATA_FOLDER_UNFIT when it cannot be made or its sockets' paths would be too long.
 */
export function makeDataFolder(wanted: string): string {
  const unfit = (why: string) =>
    new RouseError(
      "INVALID_ARGUMENT",
      `The data folder ${wanted} cannot be used (${why}): name another with ${typedFlag("--data")}.`,
      { reason: "DATA_FOLDER_UNFIT" },
    );
  try {
    mkdirSync(join(wanted, "run"), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw unfit((error as Error).message);
  }
  const data = realpathSync(wanted);
  const socket = join(data, "run", "notify.sock");
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_BYTES)
    throw unfit(`its path is ${bytes - SOCKET_PATH_BYTES} bytes too long for a unix socket in it`);
  return data;
}

/**
 * Runs `work` as the only `rouse up` of a data folder.
 *
 * @throws RouseError FAILED_PRECONDITION DATA_FOLDER_IN_USE naming the process that has it.
 */
export function ownDataFolder<T>(data: string, work: () => Promise<T>): Promise<T> {
  return withLock(join(data, "up.lock"), work, (owner) => {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `The data folder ${data} is in use by a mesh that runs (process ${owner}): stop that one, or name another folder with ${typedFlag("--data")}.`,
      { reason: "DATA_FOLDER_IN_USE" },
    );
  });
}
