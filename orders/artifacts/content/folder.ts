import { constants } from "node:fs";
import { link, mkdir, open, opendir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BLOCK_BYTES } from "../blocks.ts";
import { type Contents, Missing, uploadOf } from "./content.ts";
import { checkRoom, roomError } from "./room.ts";

/** Places of one page of a listing. */
const PAGE = 500;

/**
 * Contents as files of a folder: `<folder>/sha256/ab/<digest>.<upload>`. A file gets its name when all of it is on disk, and the name is
 * on disk as well before anybody is told.
 */
export async function folderContents(folder: string): Promise<Contents> {
  const root = join(folder, "sha256");
  const uploads = join(folder, "uploads");
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(uploads, { recursive: true, mode: 0o700 });
  /** Folders whose names are on disk. */
  const synced = new Set<string>();
  const fileOf = (place: string) => join(root, place.slice(0, 2), place);
  return {
    title: folder,
    uploads,
    fileOf,
    async keep(file, place) {
      const to = fileOf(place);
      try {
        await mkdir(dirname(to), { recursive: true, mode: 0o700 });
        await link(file, to).catch(ignoring("EEXIST"));
        await syncFolder(dirname(to));
        if (!synced.has(dirname(to))) await syncFolder(root);
        synced.add(dirname(to));
      } catch (thrown) {
        throw roomError(folder, thrown);
      }
    },
    read: (place, offset, length, signal) => readFileRange(fileOf(place), offset, length, signal),
    async size(place) {
      const found = await stat(fileOf(place)).catch(ignoring("ENOENT"));
      return found?.size;
    },
    remove: (place) => rm(fileOf(place), { force: true }),
    async *places() {
      for await (const { name } of await opendir(root)) {
        let page: string[] = [];
        for await (const entry of await opendir(join(root, name))) {
          if (uploadOf(entry.name) !== undefined) page.push(entry.name);
          if (page.length < PAGE) continue;
          yield page;
          page = [];
        }
        if (page.length > 0) yield page;
      }
    },
    async claim(id) {
      const file = join(folder, "rouse-artifacts");
      const fresh = `${file}.${id}`;
      await writeFile(fresh, `${id}\n`, { mode: 0o600, flush: true });
      await link(fresh, file).catch(ignoring("EEXIST"));
      await rm(fresh, { force: true });
      await syncFolder(folder);
      return (await readFile(file, "utf8")).trim();
    },
    // Files get their name at the end.
    tidy: async () => undefined,
    checkRoom: (bytes) => checkRoom(folder, bytes),
    close: () => undefined,
  };
}

/** A new name in a folder is on disk only when the folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Bytes of a file, in whole blocks where it has them. @throws Missing. */
export async function* readFileRange(
  file: string,
  offset: number,
  length: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoring("ENOENT"));
  if (handle === undefined) throw new Missing(`${file} is not there`);
  const read = async (at: number) => {
    const wanted = Math.min(BLOCK_BYTES, offset + length - at);
    const block = Buffer.allocUnsafeSlow(wanted);
    for (let got = 0; got < wanted; ) {
      const { bytesRead } = await handle.read(block, got, wanted - got, at + got);
      if (bytesRead === 0) throw new Missing(`${file} ends at ${at + got}`);
      got += bytesRead;
    }
    return block;
  };
  let next: Promise<Buffer> | undefined;
  try {
    // The next block is read while this one is being sent.
    next = length > 0 ? read(offset) : undefined;
    for (let at = offset; at < offset + length; at += BLOCK_BYTES) {
      const block = await next;
      next = at + BLOCK_BYTES < offset + length ? read(at + BLOCK_BYTES) : undefined;
      next?.catch(() => undefined);
      signal?.throwIfAborted();
      if (block !== undefined) yield block;
    }
  } finally {
    await next?.catch(() => undefined);
    await handle.close();
  }
}

function ignoring(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
  };
}
