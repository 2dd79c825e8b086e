import { statfs } from "node:fs/promises";
import { RouseError } from "../../../sdk/errors.ts";

/** So much stays free on the disk, for the database and all else: bytes, or a part of a small disk. */
const RESERVE = { bytes: 256 * 2 ** 20, share: 0.05 } as const;

/**
 * Refuses what would fill a folder's disk.
 *
 * @throws RouseError RESOURCE_EXHAUSTED ARTIFACT_NO_ROOM.
 */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(folder);
  const reserve = Math.min(RESERVE.bytes, RESERVE.share * blocks * bsize);
  if (bavail * bsize - bytes < reserve) throw noRoom(folder, bytes);
}

/** Makes of a full disk's error what people can act on; other errors stay what they are. */
export function roomError(folder: string, thrown: unknown): unknown {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG" ? noRoom(folder, 0, thrown) : thrown;
}

function noRoom(folder: string, bytes: number, cause?: unknown): RouseError {
  const what = bytes === 0 ? "this artifact" : `an artifact of ${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The disk of ${folder} has no room for ${what}. Nothing of it is kept. Free room there: "rouse artifacts list" and "rouse artifacts rm", or let old ones go sooner (rouse up --artifacts-keep).`,
    { reason: "ARTIFACT_NO_ROOM", cause },
  );
}
