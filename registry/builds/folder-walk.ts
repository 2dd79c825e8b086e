import { lchown, lstat, opendir, readlink, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Bytes on disk of all files below a folder; what vanishes meanwhile does not count. */
export async function diskUse(folder: string): Promise<number> {
  let bytes = 0;
  for await (const path of walk(folder)) {
    const found = await lstat(path).catch(() => undefined);
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

/** Gives a folder with all that is in it to a user; links themselves, not what they lead to. */
export async function giveTo(uid: number, folder: string): Promise<void> {
  await lchown(folder, uid, uid);
  for await (const path of walk(folder)) await lchown(path, uid, uid);
}

/** The first link below a folder that leads out of it, relative to it; undefined when there is none. */
export async function linkOutOf(folder: string): Promise<string | undefined> {
  const top = await realpath(folder);
  const inside = (path: string) => path === top || path.startsWith(`${top}/`);
  for await (const path of walk(top)) {
    if (!(await lstat(path)).isSymbolicLink()) continue;
    const target = resolve(dirname(path), await readlink(path));
    // A link to a link is judged by where both lead in the end.
    const end = await realpath(path).catch(() => target);
    if (!inside(target) || !inside(end)) return path.slice(top.length + 1);
  }
  return undefined;
}

async function* walk(folder: string): AsyncGenerator<string> {
  const entries = await opendir(folder).catch(() => undefined);
  if (entries === undefined) return;
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    yield path;
    if (entry.isDirectory()) yield* walk(path);
  }
}
