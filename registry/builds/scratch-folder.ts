import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folder of the builds' scratch folders; below the registry's own, where only its user may have a way to. */
export function innerFolder(dataDir: string): string {
  return join(dataDir, "builds");
}

/** As {@link innerFolder}, for a sandbox that runs as another user and sees the folders as they are. */
export function outerFolder(dataDir: string): string {
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `rouse-builds-${name}`);
}

/** Makes one of them. @throws Error when somebody else has made it first, or a link in its place. */
export async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const found = await lstat(folder);
  if (found.isDirectory() && (process.getuid === undefined || found.uid === process.getuid())) return;
  throw new Error(`${folder} belongs to somebody else`);
}
