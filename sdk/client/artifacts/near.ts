import type { Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { BLOCK_BYTES } from "./block-sums.ts";
import type { ContentHttp } from "./http.ts";
import type { Piece } from "./source.ts";

/**
 * Contents of a store on a disk that this process has as well: they need not go through a connection. Orders tells callers of the mesh where a
 * content, or an upload, is; who may not open that file, or has none there, is as far away as anybody.
 */

/** So much is written before orders is told, which hashes it while the next is written; bytes. */
const TELL_BYTES = 8 * 2 ** 20;
/** So much at most is written while orders is at what came before: it shall find it in memory; bytes. */
const AHEAD_BYTES = 256 * 2 ** 20;
/** The kernel has more work with larger pieces: it looks for as much memory in one piece for the file. */
const WRITE_BYTES = 2 ** 18;

/** How the store is asked. */
export interface Near {
  readonly http: ContentHttp;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Writes the rest of an upload to where orders gathers it.
 *
 * @param from Offset of the upload.
 * @returns the checksums of all of the piece, which has arrived. Undefined: it did not get so far, and the upload has some offset between.
 */
export async function putNear(
  { http, headers, signal, onProgress }: Near,
  id: string,
  piece: Piece,
  from: number,
): Promise<Buffer | undefined> {
  if (piece.copyTo === undefined) return undefined;
  const path = `/content/uploads/${id}`;
  const handle = await openNear({ http, headers, signal }, path, id, constants.O_WRONLY);
  if (handle === undefined) return undefined;
  let told = from;
  /** Orders hashes what it was told of. */
  let busy = false;
  let telling: Promise<void> = Promise.resolve();
  const tell = async (to: number) => {
    await telling;
    if (told > from) onProgress?.(told);
    const request = { method: "PUT", path: `${path}?offset=${told}&written=${to}`, headers, signal } as const;
    busy = true;
    telling = http.put(request, new Uint8Array(), 0).then((said) => {
      busy = false;
      if (Object(said).offset !== to)
        throw new Error("the file of the upload is not where it was written to");
    });
    telling.catch(() => undefined);
    told = to;
  };
  try {
    const sums = await piece.copyTo(handle, from, async (at) => {
      signal?.throwIfAborted();
      // While it is at it the copy goes on, so that it has more to do the next time, and need not wait for each piece.
      const ahead = at - told;
      if (ahead >= TELL_BYTES && (!busy || ahead >= AHEAD_BYTES)) await tell(at);
    });
    if (piece.bytes > told) await tell(piece.bytes);
    await telling;
    return sums;
  } catch (error) {
    if (signal?.aborted) throw error;
    // The way through the connection tells what is wrong, or is a way.
    return undefined;
  } finally {
    await telling.catch(() => undefined);
    await handle.close();
  }
}

/**
 * Copies a content from where it is kept, and hashes it.
 *
 * @param to An empty file.
 * @returns false: it is not near, or not what its digest says; what is in the file then is of no use.
 */
export async function getNear(near: Near, uri: string, to: FileHandle, hash: Hash): Promise<boolean> {
  const [, id, digest] = /^artifact:(sha256-([0-9a-f]{64}))(?:\?.*)?$/s.exec(uri) ?? [];
  if (id === undefined || digest === undefined) return false;
  const handle = await openNear(near, `/content/${id}`, digest, constants.O_RDONLY);
  if (handle === undefined) return false;
  try {
    const { size } = await handle.stat();
    await copyBlocks(handle, to, 0, size, (block, at) => {
      near.signal?.throwIfAborted();
      hash.update(block);
      near.onProgress?.(at + block.length);
    });
  } catch (error) {
    if (near.signal?.aborted) throw error;
    // The way through the connection tells what is wrong.
    return false;
  } finally {
    await handle.close();
  }
  return hash.copy().digest("hex") === digest;
}

/** Copies bytes of a file to the same place of another in bounded memory, reading, writing and looking at them at once. */
export async function copyBlocks(
  from: FileHandle,
  to: FileHandle,
  start: number,
  end: number,
  look: (block: Buffer, at: number) => Promise<void> | void,
): Promise<void> {
  let [block, other] = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)];
  const read = async (into: Buffer, at: number) => {
    const wanted = Math.min(BLOCK_BYTES, end - at);
    for (let got = 0; got < wanted; ) {
      const { bytesRead } = await from.read(into, got, wanted - got, at + got);
      if (bytesRead === 0) throw new Error(`the file ends at ${at + got}`);
      got += bytesRead;
    }
    return into.subarray(0, wanted);
  };
  let coming: Promise<Buffer> | undefined;
  try {
    coming = start < end ? read(block, start) : undefined;
    for (let at = start; coming !== undefined; at += BLOCK_BYTES) {
      const full: Buffer = await coming;
      [block, other] = [other, block];
      coming = at + BLOCK_BYTES < end ? read(block, at + BLOCK_BYTES) : undefined;
      coming?.catch(() => undefined);
      const writing = write(to, full, at);
      writing.catch(() => undefined);
      try {
        await look(full, at);
      } finally {
        await writing;
      }
    }
  } finally {
    await coming?.catch(() => undefined);
  }
}

async function write(to: FileHandle, block: Buffer, at: number): Promise<void> {
  for (let done = 0; done < block.length; )
    done += (await to.write(block, done, Math.min(WRITE_BYTES, block.length - done), at + done)).bytesWritten;
}

/** @param name What the file's name begins with, so that no other file is ever opened. */
async function openNear(
  { http, headers, signal }: Near,
  path: string,
  name: string,
  mode: number,
): Promise<FileHandle | undefined> {
  const file = await http.fileOf({ method: "HEAD", path, headers, signal }).catch(() => undefined);
  if (file === undefined || !basename(file).startsWith(name)) return undefined;
  return open(file, mode | constants.O_NOFOLLOW).catch(() => undefined);
}
