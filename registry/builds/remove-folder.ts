import { chmod, opendir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Removes a folder, also what a build has locked by taking its own rights away. */
export async function removeFolder(folder: string): Promise<void> {
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  await remove().catch(async () => {
    await unlock(folder);
    await remove();
  });
}

async function unlock(folder: string): Promise<void> {
  await chmod(folder, 0o700).catch(() => undefined);
  const entries = await opendir(folder).catch(() => undefined);
  if (entries === undefined) return;
  for await (const entry of entries) if (entry.isDirectory()) await unlock(join(folder, entry.name));
}
