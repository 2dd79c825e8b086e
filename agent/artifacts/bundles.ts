import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, statfs } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { noRoomIn } from "../../registry/bundles.ts";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import type { BundleSource, BundleSources } from "./bundle-sources.ts";
import type { Holdings } from "./holdings.ts";

/** A piece of a bundle that another host asks for, bytes. */
const READ_BYTES = 256 * 1024;

/** Copies for others leave this host's instances so much of the disk, bytes. */
const COPIES_LEAVE_BYTES = 256 * 2 ** 20;

/** The bundles of this host: tar files from the registry or another host, and the folders that they were unpacked into. */
export class Bundles {
  readonly #folder: string;
  readonly #sources: BundleSources;
  readonly #holdings: Holdings;
  /** What is being made now, so that two starts do it once. */
  readonly #making = new Map<string, Promise<string>>();
  /** What is being removed now: who wants it again waits for that, and makes it anew. */
  readonly #removing = new Map<string, Promise<void>>();

  constructor(folder: string, sources: BundleSources, holdings: Holdings) {
    this.#folder = folder;
    this.#sources = sources;
    this.#holdings = holdings;
  }

  /**
   * The tar file of a bundle; fetched when this host has none.
   *
   * @throws RouseError FAILED_PRECONDITION BUNDLE_UNKNOWN, UNAVAILABLE REGISTRY_UNREACHABLE, DATA_LOSS
   *   BUNDLE_CORRUPT, INVALID_ARGUMENT BUNDLE_DIGEST_INVALID.
   */
  async tar(digest: string): Promise<string> {
    checkDigest(digest);
    await this.#removing.get(digest);
    const file = join(this.#folder, `${digest}.tar`);
    return this.#once(file, () => this.#fetch(digest, file));
  }

  /** As {@link tar}, for others, while the disk has room. @throws RouseError RESOURCE_EXHAUSTED BUNDLE_NO_ROOM; as {@link tar}. */
  async copy(digest: string): Promise<void> {
    checkDigest(digest);
    await this.#removing.get(digest);
    if (existsSync(join(this.#folder, `${digest}.tar`))) return;
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < COPIES_LEAVE_BYTES) throw noRoomIn(this.#folder);
    await this.tar(digest);
  }

  /**
   * Reads the tar file of a bundle, for another host.
   *
   * @throws RouseError NOT_FOUND BUNDLE_UNKNOWN when this host has none, INVALID_ARGUMENT BUNDLE_DIGEST_INVALID.
   */
  async *read(digest: string): AsyncGenerator<Buffer> {
    checkDigest(digest);
    const file = join(this.#folder, `${digest}.tar`);
    if (!existsSync(file))
      throw new RouseError("NOT_FOUND", `This host has no bundle ${digest}. Ask the registry for it.`, {
        reason: "BUNDLE_UNKNOWN",
      });
    for await (const piece of createReadStream(file, { highWaterMark: READ_BYTES })) yield piece as Buffer;
  }

  /** The folder that holds a bundle's files. @throws as {@link tar}. */
  async folder(digest: string): Promise<string> {
    checkDigest(digest);
    await this.#removing.get(digest);
    const folder = join(this.#folder, digest);
    return this.#once(folder, async () => unpack(await this.tar(digest), folder));
  }

  /**
   * Where Node keeps what it compiled of a bundle, for the next start (NODE_COMPILE_CACHE): about a quarter of a boot.
   */
  compileCache(digest: string): string {
    return join(this.#folder, `${digest}.cache`);
  }

  /**
   * Removes those of some bundles that are not used.
   *
   * @param isUsed Asked right before each: while hundreds are removed, instances start.
   */
  async removeUnused(digests: readonly string[], isUsed: (digest: string) => boolean): Promise<void> {
    for (const digest of digests) if (isDigest(digest) && !isUsed(digest)) await this.#remove(digest);
  }

  #remove(digest: string): Promise<void> {
    const removing = this.#removing.get(digest);
    if (removing !== undefined) return removing;
    this.#holdings.remove(digest);
    const remove = async () => {
      await rm(this.compileCache(digest), { recursive: true, force: true });
      await rm(join(this.#folder, digest), { recursive: true, force: true });
      await rm(join(this.#folder, `${digest}.tar`), { force: true });
    };
    const removed = remove();
    this.#removing.set(digest, removed);
    const forget = () => this.#removing.delete(digest);
    removed.then(forget, forget);
    return removed;
  }

  /** Removes what is half-made or not among `keep`. @returns the names removed. */
  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const swept = (await readdir(this.#folder)).filter(
      (name) => !keep.has(name.replace(/\.(tar|cache)$/, "")),
    );
    for (const name of swept) await rm(join(this.#folder, name), { recursive: true, force: true });
    for (const name of await readdir(this.#folder))
      if (name.endsWith(".tar")) this.#holdings.add(name.slice(0, -".tar".length));
    return swept;
  }

  #once(path: string, make: () => Promise<void>): Promise<string> {
    const making = this.#making.get(path);
    if (making !== undefined) return making;
    if (existsSync(path)) return Promise.resolve(path);
    const made = make().then(() => path);
    this.#making.set(path, made);
    const forget = () => this.#making.delete(path);
    made.then(forget, forget);
    return made;
  }

  async #fetch(digest: string, file: string): Promise<void> {
    const partial = `${file}.part`;
    const broken = new Map<string, RouseError>();
    for (;;) {
      const source = await this.#sources.open(digest, broken);
      try {
        await save(source, digest, partial);
        await rename(partial, file);
        return this.#holdings.add(digest);
      } catch (thrown) {
        await rm(partial, { force: true });
        // A full disk is nobody else's fault.
        if (isOfThisHost(thrown)) throw callError(thrown);
        broken.set(source.address, callError(thrown));
      } finally {
        source.close();
      }
    }
  }
}

async function save({ address, pieces }: BundleSource, digest: string, file: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(Readable.from(hashed(pieces, hash)), createWriteStream(file));
  const got = hash.digest("hex");
  if (got === digest) return;
  throw new RouseError(
    "DATA_LOSS",
    `${address} sent a bundle with digest ${got} in place of ${digest}. Register the version again.`,
    { reason: "BUNDLE_CORRUPT" },
  );
}

async function* hashed(
  pieces: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

/** Whether an error came from a system call, not from a call to another host. */
function isOfThisHost(thrown: unknown): boolean {
  return thrown instanceof Error && "syscall" in thrown;
}

/** Unpacks beside the folder and renames, so that a folder is either whole or not there. */
async function unpack(tar: string, folder: string): Promise<void> {
  const partial = `${folder}.part`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const entries = extract();
  const reading = pipeline(createReadStream(tar), entries);
  for await (const entry of entries) {
    const { name, type } = entry.header;
    const path = normalize(join(partial, name));
    if (!path.startsWith(`${partial}/`) || (type !== "file" && type !== "directory"))
      throw new RouseError("DATA_LOSS", `The bundle holds "${name}", a ${type}, which no bundle may hold.`, {
        reason: "BUNDLE_CORRUPT",
      });
    if (type === "directory") {
      await mkdir(path, { recursive: true });
      entry.resume();
    } else {
      await mkdir(dirname(path), { recursive: true });
      await pipeline(entry, createWriteStream(path, { mode: entry.header.mode ?? 0o644 }));
    }
  }
  await reading;
  await rename(partial, folder);
}

function isDigest(digest: string): boolean {
  return /^[0-9a-f]{64}$/.test(digest);
}

function checkDigest(digest: string): void {
  if (isDigest(digest)) return;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `"${digest}" is no bundle digest: 64 hexadecimal digits of SHA-256.`,
    {
      reason: "BUNDLE_DIGEST_INVALID",
    },
  );
}
