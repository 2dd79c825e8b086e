import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { RouseError } from "../sdk/errors.ts";

/** Bytes. */
export const MAX_BUNDLE_BYTES = 2 ** 30;
export const MAX_CHUNK_BYTES = 2 ** 20;
/** Uploads stop before the disk is full: Consul and the databases write to it, too. */
const KEEP_FREE_BYTES = 64 * 2 ** 20;
const CHECK_EACH_BYTES = 32 * 2 ** 20;
const READ_CHUNK_BYTES = 256 * 1024;
const PARTIAL = "partial-";

export interface PutOptions {
  readonly limit?: number;
  /** The upload ends before less than this is free on the disk; bytes, default 64 MiB. */
  readonly keepFree?: number;
  readonly signal?: AbortSignal;
}

/**
 * Bundles as files named by their SHA-256 digest. They stay when a version is removed, so that a version can come back; remove
 * files from the folder to get room.
 */
export class BundleStore {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the store in a folder, and removes what uploads of a former process left half-written. */
  static async open(folder: string): Promise<BundleStore> {
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      if (name.startsWith(PARTIAL)) await rm(join(folder, name), { force: true });
    }
    return new BundleStore(folder);
  }

  async has(digest: string): Promise<boolean> {
    return access(this.#file(digest)).then(
      () => true,
      () => false,
    );
  }

  /**
   * Stores a bundle. It is written under another name and renamed when it is whole, so that readers see all of it or nothing.
   *
   * @param options.limit - Most bytes; default 1 GiB.
   * @param options.signal - Nothing is stored once it aborts.
   * @throws RouseError INVALID_ARGUMENT BUNDLE_EMPTY or BUNDLE_CHUNK_TOO_LARGE, RESOURCE_EXHAUSTED BUNDLE_TOO_LARGE or
   *   BUNDLE_NO_ROOM; whatever `chunks` throws. Nothing is left behind then.
   */
  async put(
    chunks: AsyncIterable<Uint8Array>,
    { limit = MAX_BUNDLE_BYTES, keepFree = KEEP_FREE_BYTES, signal }: PutOptions = {},
  ): Promise<{ digest: string; size: number }> {
    const partial = join(this.#folder, `${PARTIAL}${randomUUID()}`);
    const hash = createHash("sha256");
    let size = 0;
    let checkAt = 0;
    const file = await open(partial, "wx");
    try {
      for await (const chunk of chunks) {
        if (size >= checkAt) {
          await this.#checkRoom(keepFree);
          checkAt = size + CHECK_EACH_BYTES;
        }
        size += chunk.length;
        checkSizes(chunk.length, size, limit);
        hash.update(chunk);
        await file.writeFile(chunk);
      }
      if (size === 0) {
        throw new RouseError("INVALID_ARGUMENT", 'The bundle is empty. Make one with "rouse build".', {
          reason: "BUNDLE_EMPTY",
        });
      }
      await file.sync();
      await file.close();
      signal?.throwIfAborted();
      const digest = hash.digest("hex");
      await rename(partial, this.#file(digest));
      return { digest, size };
    } catch (thrown) {
      await file.close().catch(() => undefined);
      await rm(partial, { force: true });
      throw noRoom(thrown, this.#folder);
    }
  }

  /**
   * Reads a bundle piece by piece.
   *
   * @throws RouseError NOT_FOUND BUNDLE_UNKNOWN, INVALID_ARGUMENT BUNDLE_DIGEST_INVALID; DATA_LOSS BUNDLE_CORRUPT after the last
   *   piece when the file is not what its name says.
   */
  async *get(digest: string): AsyncGenerator<Buffer> {
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new RouseError(
        "INVALID_ARGUMENT",
        `"${digest}" is no SHA-256 digest. Give 64 hex digits, lower case.`,
        {
          reason: "BUNDLE_DIGEST_INVALID",
        },
      );
    }
    if (!(await this.has(digest))) throw unknownBundle("NOT_FOUND", digest);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(this.#file(digest), { highWaterMark: READ_CHUNK_BYTES })) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
    if (hash.digest("hex") !== digest) {
      throw new RouseError(
        "DATA_LOSS",
        `The bundle ${digest} was damaged in the registry's folder ${this.#folder}. Delete that file and register the version again.`,
        { reason: "BUNDLE_CORRUPT", metadata: { digest } },
      );
    }
  }

  async #checkRoom(keepFree: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < keepFree) throw noRoomIn(this.#folder);
  }

  #file(digest: string): string {
    return join(this.#folder, `${digest}.tar`);
  }
}

/** There is no bundle of that digest. */
export function unknownBundle(status: "NOT_FOUND" | "FAILED_PRECONDITION", digest: string): RouseError {
  return new RouseError(
    status,
    `The registry has no bundle ${digest}. Upload it first; "rouse register" does that.`,
    { reason: "BUNDLE_UNKNOWN", metadata: { digest } },
  );
}

function checkSizes(chunk: number, size: number, limit: number): void {
  if (chunk > MAX_CHUNK_BYTES) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `A chunk has ${chunk} bytes. Send at most ${MAX_CHUNK_BYTES} (1 MiB) at once.`,
      {
        reason: "BUNDLE_CHUNK_TOO_LARGE",
      },
    );
  }
  if (size > limit) {
    throw new RouseError(
      "RESOURCE_EXHAUSTED",
      `The bundle has more than ${limit} bytes. Take big files out of it and give them to the instances by a mount.`,
      { reason: "BUNDLE_TOO_LARGE" },
    );
  }
}

function noRoom(thrown: unknown, folder: string): unknown {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" ? noRoomIn(folder, thrown) : thrown;
}

/** The disk of a folder of bundles is too full for one more. */
export function noRoomIn(folder: string, cause?: unknown): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `There is no room for the bundle in ${folder}. Free some, or delete bundles there that no version uses.`,
    { reason: "BUNDLE_NO_ROOM", cause },
  );
}
