import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { type Readable, Transform } from "node:stream";
import { RouseError } from "../../errors.ts";

/** What can be stored: bytes, a stream of them, or a file by its path. */
export type ArtifactSource =
  | Uint8Array
  | AsyncIterable<Uint8Array>
  | {
      /** Path of a file. It must not change meanwhile. */
      readonly file: string;
    };

/** A part of a source that can be sent from any byte of it, again and again. */
export interface Piece {
  /** Where it begins in the source. */
  readonly offset: number;
  readonly bytes: number;
  /** The bytes from a place of the source on. */
  open(from: number): Uint8Array | Readable;
  /**
   * Copies a file's bytes from a place on to the same place of another.
   *
   * @param each Told how far it is.
   * @returns the checksums of the whole file's blocks. It is not hashed: whoever has the copy does that, and one core has enough to do.
   */
  readonly copyTo?: (to: FileHandle, from: number, each: (at: number) => Promise<void>) => Promise<Buffer>;
  /** Hashes all of it that has not been hashed while it was sent. */
  finish(): Promise<void>;
}

/** A stream is sent in pieces of so many bytes, each kept until it has arrived. */
const PIECE_BYTES = 8 * 2 ** 20;
const READ_BYTES = 2 ** 20;

/** Cuts a source into pieces, and hashes them. A file or bytes are one piece; a stream is one for each 8 MiB. */
export async function* piecesOf(source: ArtifactSource, hash: Hash): AsyncGenerator<Piece> {
  if (source instanceof Uint8Array) {
    hash.update(source);
    yield inMemory(0, source);
  } else if ("file" in source) {
    yield await ofFile(source.file, hash);
  } else {
    let offset = 0;
    for await (const bytes of gathered(source)) {
      hash.update(bytes);
      yield inMemory(offset, bytes);
      offset += bytes.length;
    }
  }
}

/** Bytes of a source where they are known before. */
export async function sizeOf(source: ArtifactSource): Promise<number> {
  if (source instanceof Uint8Array) return source.length;
  return "file" in source ? await fileSize(source.file) : 0;
}

function inMemory(offset: number, bytes: Uint8Array): Piece {
  return {
    offset,
    bytes: bytes.length,
    open: (from) => bytes.subarray(from - offset),
    finish: async () => undefined,
  };
}

async function ofFile(file: string, hash: Hash): Promise<Piece> {
  const bytes = await fileSize(file);
  let hashed = 0;
  const end = bytes - 1;
  const hashUntil = async (to: number) => {
    if (to <= hashed) return;
    for await (const chunk of createReadStream(file, {
      start: hashed,
      end: to - 1,
      highWaterMark: READ_BYTES,
    })) {
      hash.update(chunk);
      hashed += chunk.length;
    }
  };
  return {
    offset: 0,
    bytes,
    open(from) {
      if (from >= bytes) return new Uint8Array();
      // What a try before has sent is hashed already.
      let at = from;
      const hashing = new Transform({
        readableHighWaterMark: READ_BYTES,
        writableHighWaterMark: READ_BYTES,
        async transform(chunk: Buffer, _encoding, done) {
          try {
            await hashUntil(at);
            if (at + chunk.length > hashed) {
              hash.update(chunk.subarray(hashed - at));
              hashed = at + chunk.length;
            }
            at += chunk.length;
            done(null, chunk);
          } catch (error) {
            done(error as Error);
          }
        },
      });
      const reading = createReadStream(file, { start: from, end, highWaterMark: READ_BYTES });
      reading.once("error", (error) => hashing.destroy(error));
      hashing.once("close", () => reading.destroy());
      return reading.pipe(hashing);
    },
    async copyTo(to, from, each) {
      const { copyBlocks } = await import("./near.ts");
      const { BlockSums } = await import("./block-sums.ts");
      const sums = new BlockSums();
      if (from > 0)
        for await (const chunk of createReadStream(file, { end: from - 1, highWaterMark: READ_BYTES }))
          sums.update(chunk);
      const source = await open(file);
      try {
        await copyBlocks(source, to, from, bytes, async (block, at) => {
          sums.update(block);
          await each(at);
        });
      } finally {
        await source.close();
      }
      return sums.bytes();
    },
    finish: () => hashUntil(bytes),
  };
}

async function fileSize(file: string): Promise<number> {
  const found = await stat(file).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  if (!found.isFile()) throw unreadable(file, new Error("it is no plain file"));
  return found.size;
}

function unreadable(file: string, cause: unknown): RouseError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new RouseError("INVALID_ARGUMENT", `${file} cannot be stored: ${said}.`, {
    reason: "ARTIFACT_FILE_UNREADABLE",
    cause,
  });
}

async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of source) {
    parts.push(chunk);
    held += chunk.length;
    if (held < PIECE_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    held = 0;
  }
  if (held > 0) yield Buffer.concat(parts);
}

/** SHA-256, for those who do not need to know how. */
export function newHash(): Hash {
  return createHash("sha256");
}
