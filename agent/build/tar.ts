import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, type Dirent } from "node:fs";
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";

/** One file or folder of an archive. */
export interface TarEntry {
  /** Path within the archive; a folder's ends with "/". */
  readonly name: string;
  /** Its content: bytes, or the file to copy. */
  readonly content?: Uint8Array | { readonly file: string };
  /** Default 0o644, folders 0o755. */
  readonly mode?: number;
  /** Makes it a symbolic link. */
  readonly link?: string;
}

/**
 * Writes a tar file that depends on nothing but the entries: sorted, time 0, owner 0.
 *
 * @returns hexadecimal SHA-256 of the file, and its size in bytes.
 */
export async function writeTar(
  file: string,
  entries: readonly TarEntry[],
): Promise<{ digest: string; size: number }> {
  await mkdir(dirname(file), { recursive: true });
  const archive = pack();
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const adding = (async () => {
    for (const entry of sorted) await add(archive, entry);
    archive.finalize();
  })();
  adding.catch((error: Error) => archive.destroy(error));
  return hashedFile(archive, file);
}

/** Writes a stream to a file, which is there only when it is whole. @returns hexadecimal SHA-256, and size in bytes. */
export async function hashedFile(
  content: AsyncIterable<unknown>,
  file: string,
): Promise<{ digest: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      size += chunk.length;
      callback(null, chunk);
    },
  });
  const partial = `${file}.${process.pid}.part`;
  await pipeline(content, hashing, createWriteStream(partial));
  await rename(partial, file);
  return { digest: hash.digest("hex"), size };
}

/** The files below a folder as entries, named with the given prefix. Links are followed. */
export async function entriesBelow(folder: string, prefix: string): Promise<TarEntry[]> {
  const found = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(found.map((one) => entriesOf(folder, prefix, one)));
  return nested.flat();
}

async function entriesOf(folder: string, prefix: string, one: Dirent): Promise<TarEntry[]> {
  const path = join(folder, one.name);
  const info = await stat(path);
  const name = `${prefix}${one.name}`;
  if (info.isDirectory()) return entriesBelow(path, `${name}/`);
  return [{ name, content: { file: path }, mode: info.mode & 0o111 ? 0o755 : 0o644 }];
}

async function add(archive: Pack, { name, content, mode, link }: TarEntry): Promise<void> {
  const common = { name, mtime: new Date(0), uid: 0, gid: 0, uname: "", gname: "" };
  if (link !== undefined) {
    archive.entry({ ...common, type: "symlink", linkname: link, mode: 0o777 });
  } else if (name.endsWith("/")) {
    archive.entry({ ...common, type: "directory", mode: mode ?? 0o755 });
  } else if (content === undefined || content instanceof Uint8Array) {
    archive.entry({ ...common, mode: mode ?? 0o644 }, Buffer.from(content ?? []));
  } else {
    const { size } = await stat(content.file);
    const entry = archive.entry({ ...common, mode: mode ?? 0o644, size });
    await pipeline(createReadStream(content.file), entry);
  }
}
