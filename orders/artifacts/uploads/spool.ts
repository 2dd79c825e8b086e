import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { RouseError } from "../../../sdk/errors.ts";
import { BLOCK_BYTES, BlockSums } from "../blocks.ts";
import { readFileRange } from "../content/folder.ts";
import { roomError } from "../content/room.ts";
import { tooLarge } from "../errors.ts";

/** What has arrived of an upload. */
interface Gathered {
  readonly handle: FileHandle;
  readonly hash: Hash;
  /** Of what was copied here not all: who copied it brings them. */
  readonly sums: BlockSums;
  bytes: number;
  /** A part of it came before this process began, or from another process: only a digest can tell whether it is whole. */
  resumed: boolean;
  syncing: Promise<void> | undefined;
  unsynced: number;
  usedAt: number;
  /** Who writes now. */
  writer: { stop(): void; readonly done: Promise<unknown> } | undefined;
}

/** All of an upload, on disk. */
export interface Finished {
  readonly file: string;
  readonly digest: string;
  readonly sums: BlockSums;
  readonly bytes: number;
  readonly resumed: boolean;
}

/** So much is written at once. The kernel has more work with larger pieces: it looks for as much memory in one piece for the file. */
const WRITE_BYTES = 2 ** 18;
/** So much is written before the disk is asked to keep it, so that the end has little to wait for; bytes. */
const SYNC_BYTES = 64 * 2 ** 20;
/**
 * Of what another process copies here one block in so many is compared with that process's checksum, and the last of what each message
 * tells of. To make all of them a second time would take a quarter more time, so orders compares the others a little later.
 */
const COMPARED = 8;
/** An upload that nobody writes to is let go of after this time, ms; its file stays. */
const IDLE_MS = 60_000;

/** Uploads as they come in, a file each; what was written stays when a process ends. */
export class Spool {
  readonly #folder: string;
  readonly #open = new Map<string, Promise<Gathered>>();
  readonly #idle: NodeJS.Timeout;

  constructor(folder: string) {
    this.#folder = folder;
    this.#idle = setInterval(() => void this.#closeIdle(), IDLE_MS / 2);
    this.#idle.unref();
  }

  /** Bytes that have arrived. */
  async offset(id: string): Promise<number> {
    const gathered = await this.#open.get(id);
    if (gathered !== undefined) return gathered.bytes;
    const found = await stat(this.#fileOf(id)).catch(() => undefined);
    return found?.size ?? 0;
  }

  /**
   * Writes at the end of an upload; resolves to its new offset. Who comes later takes it over from who came before, whose
   * connection may have ended without word. When the source breaks, what came before stays.
   *
   * @param source Is left as it is, so that its other side can be answered, but for when it is taken over.
   *
   * @param mostBytes Of all of the upload.
   * @throws RouseError FAILED_PRECONDITION UPLOAD_OFFSET; ABORTED UPLOAD_TAKEN_OVER; RESOURCE_EXHAUSTED ARTIFACT_TOO_LARGE,
   *   ARTIFACT_NO_ROOM, after which the file is gone; what the source throws.
   */
  async write(
    id: string,
    offset: number,
    source: Readable,
    mostBytes = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    const gathered = await this.#gathered(id);
    await stopWriter(gathered);
    const writing = this.#write(id, gathered, offset, source, mostBytes);
    const stop = () => {
      // It may have been read to its end, and nobody listens to it any more.
      source.on("error", () => undefined);
      source.destroy(takenOver(id));
    };
    const writer = { stop, done: writing.catch(() => undefined) };
    gathered.writer = writer;
    try {
      return await writing;
    } finally {
      if (gathered.writer === writer) gathered.writer = undefined;
    }
  }

  /**
   * The file of an upload, which is there: another process may write to its end, and tell by {@link take}. What one before has copied
   * was of a source that may have changed since: all of its checksums will be compared.
   */
  async fileOf(id: string): Promise<string> {
    await this.#gatheredWhole(id);
    return this.#fileOf(id);
  }

  /**
   * Takes what another process has written at the end of an upload's file; resolves to the new offset, which is less where the file is
   * shorter.
   *
   * @throws RouseError FAILED_PRECONDITION UPLOAD_OFFSET; ABORTED UPLOAD_TAKEN_OVER.
   */
  async take(id: string, offset: number, to: number): Promise<number> {
    const gathered = await this.#gathered(id);
    await stopWriter(gathered);
    const stopped = new AbortController();
    const taking = this.#take(id, gathered, offset, to, stopped.signal);
    const writer = { stop: () => stopped.abort(takenOver(id)), done: taking.catch(() => undefined) };
    gathered.writer = writer;
    try {
      return await taking;
    } finally {
      if (gathered.writer === writer) gathered.writer = undefined;
      gathered.usedAt = Date.now();
    }
  }

  /**
   * Puts all of an upload on disk. Idempotent.
   *
   * @param allSums Whether all of its checksums are needed: nobody brings them.
   */
  async finish(id: string, allSums: boolean): Promise<Finished> {
    const gathered = await (allSums ? this.#gatheredWhole(id) : this.#gathered(id));
    await stopWriter(gathered);
    const file = this.#fileOf(id);
    try {
      await gathered.syncing;
      await gathered.handle.sync();
    } catch (thrown) {
      throw roomError(this.#folder, thrown);
    }
    const { hash, sums, bytes, resumed } = gathered;
    return { file, digest: hash.copy().digest("hex"), sums, bytes, resumed };
  }

  /** Idempotent. */
  async remove(id: string): Promise<void> {
    await this.#close(id);
    await rm(this.#fileOf(id), { force: true });
  }

  /** Ids of all files. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => /^[A-Za-z0-9_-]{8,64}$/.test(name));
  }

  async close(): Promise<void> {
    clearInterval(this.#idle);
    await Promise.all([...this.#open.keys()].map((id) => this.#close(id)));
  }

  async #write(
    id: string,
    gathered: Gathered,
    offset: number,
    source: Readable,
    mostBytes: number,
  ): Promise<number> {
    if (offset !== gathered.bytes) throw wrongOffset(id, offset, gathered.bytes);
    let chunks: Uint8Array[] = [];
    let held = 0;
    let written: Promise<void> = Promise.resolve();
    const flush = async () => {
      const batch = chunks;
      const at = gathered.bytes;
      chunks = [];
      gathered.bytes += held;
      gathered.unsynced += held;
      held = 0;
      await written;
      written = writeAll(gathered.handle, batch, at);
      written.catch(() => undefined);
      // While the disk is at it.
      for (const chunk of batch) {
        gathered.hash.update(chunk);
        gathered.sums.update(chunk);
      }
      if (gathered.unsynced < SYNC_BYTES || gathered.syncing !== undefined) return;
      await written;
      this.#syncSome(gathered);
    };
    try {
      try {
        for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
          if (gathered.bytes + held + chunk.length > mostBytes) throw tooLarge(mostBytes);
          chunks.push(chunk);
          held += chunk.length;
          if (held >= WRITE_BYTES) await flush();
        }
      } finally {
        // What came before the source broke is good.
        if (held > 0) await flush();
        await written;
      }
    } catch (thrown) {
      // Who writes ends here, and is not to be stopped.
      gathered.writer = undefined;
      throw await this.#failed(id, thrown);
    } finally {
      gathered.usedAt = Date.now();
    }
    return gathered.bytes;
  }

  async #take(
    id: string,
    gathered: Gathered,
    offset: number,
    to: number,
    signal: AbortSignal,
  ): Promise<number> {
    if (offset !== gathered.bytes) throw wrongOffset(id, offset, gathered.bytes);
    gathered.resumed = true;
    const { handle } = gathered;
    const last = Math.floor((to - 1) / BLOCK_BYTES);
    const blocks = [Buffer.allocUnsafeSlow(BLOCK_BYTES), Buffer.allocUnsafeSlow(BLOCK_BYTES)] as const;
    const read = (turn: number, at: number) =>
      handle.read(blocks[turn % 2 === 0 ? 0 : 1], 0, Math.min(BLOCK_BYTES, to - at), at);
    for (let turn = 0, coming = read(0, offset); gathered.bytes < to; turn++) {
      const { bytesRead, buffer } = await coming;
      if (bytesRead === 0) break;
      const at = gathered.bytes + bytesRead;
      // The next is read while this one is hashed.
      if (at < to) coming = read(turn + 1, at);
      coming.catch(() => undefined);
      if (signal.aborted) {
        await coming.catch(() => undefined);
        throw signal.reason;
      }
      const block = buffer.subarray(0, bytesRead);
      gathered.hash.update(block);
      gathered.sums.update(block, (number) => number % COMPARED === 0 || number === last);
      gathered.bytes = at;
      gathered.unsynced += bytesRead;
      this.#syncSome(gathered);
    }
    return gathered.bytes;
  }

  /** Has the disk keep what was written, now and then. */
  #syncSome(gathered: Gathered): void {
    if (gathered.unsynced < SYNC_BYTES || gathered.syncing !== undefined) return;
    gathered.unsynced = 0;
    gathered.syncing = gathered.handle.datasync().finally(() => {
      gathered.syncing = undefined;
    });
    gathered.syncing.catch(() => undefined);
  }

  async #failed(id: string, thrown: unknown): Promise<unknown> {
    const { syscall } = thrown as NodeJS.ErrnoException;
    if (syscall !== "write" && syscall !== "fdatasync") return thrown;
    const error = roomError(this.#folder, thrown);
    // What is in the file is not what was hashed any more: it is read anew, or is gone where it only took the last room.
    if (error === thrown) await this.#close(id);
    else await this.remove(id);
    return error;
  }

  #gathered(id: string): Promise<Gathered> {
    let gathered = this.#open.get(id);
    if (gathered === undefined) {
      gathered = this.#gather(id);
      this.#open.set(id, gathered);
      gathered.catch(() => this.#open.delete(id));
    }
    return gathered;
  }

  /** With all of its checksums, for which it is read anew where some were left out. */
  async #gatheredWhole(id: string): Promise<Gathered> {
    const opening = this.#gathered(id);
    const gathered = await opening;
    if (gathered.sums.complete) return gathered;
    await stopWriter(gathered);
    if (this.#open.get(id) === opening) await this.#close(id);
    return this.#gatheredWhole(id);
  }

  async #gather(id: string): Promise<Gathered> {
    const file = this.#fileOf(id);
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const handle = await open(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600).catch((thrown: unknown) => {
      throw roomError(this.#folder, thrown);
    });
    const { size } = await handle.stat();
    const hash = createHash("sha256");
    const sums = new BlockSums();
    for await (const block of readFileRange(file, 0, size)) {
      hash.update(block);
      sums.update(block);
    }
    return {
      handle,
      hash,
      sums,
      bytes: size,
      resumed: size > 0,
      syncing: undefined,
      unsynced: 0,
      usedAt: Date.now(),
      writer: undefined,
    };
  }

  async #close(id: string): Promise<void> {
    const opening = this.#open.get(id);
    this.#open.delete(id);
    const gathered = await opening?.catch(() => undefined);
    gathered?.writer?.stop();
    await gathered?.syncing?.catch(() => undefined);
    await gathered?.handle.close().catch(() => undefined);
  }

  async #closeIdle(): Promise<void> {
    for (const [id, opening] of this.#open) {
      const gathered = await opening.catch(() => undefined);
      if (gathered === undefined || gathered.writer !== undefined) continue;
      if (gathered.usedAt + IDLE_MS < Date.now()) await this.#close(id);
    }
  }

  #fileOf(id: string): string {
    return join(this.#folder, id);
  }
}

async function stopWriter({ writer }: Gathered): Promise<void> {
  writer?.stop();
  await writer?.done;
}

/** All of the chunks at a place of a file. */
async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<void> {
  const total = chunks.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await handle.writev(chunks as Uint8Array[], position);
  if (bytesWritten === total) return;
  // The rest tells why it does not fit.
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let at = 0; at < rest.length; )
    at += (await handle.write(rest, at, rest.length - at, position + bytesWritten + at)).bytesWritten;
}

function wrongOffset(id: string, offset: number, wanted: number): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The upload ${id} goes on at ${wanted}, not at ${offset}. Ask for its offset, and send what comes after it.`,
    { reason: "UPLOAD_OFFSET", metadata: { offset: String(wanted) } },
  );
}

function takenOver(id: string): RouseError {
  return new RouseError("ABORTED", `The upload ${id} is written to from elsewhere by now.`, {
    reason: "UPLOAD_TAKEN_OVER",
  });
}
