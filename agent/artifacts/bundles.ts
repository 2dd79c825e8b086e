import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { credentials, status } from "@grpc/grpc-js";
import { extract } from "tar-stream";
import { type GetBundleResponse, RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";

/** The bundles of this host: tar files from the registry, and the folders that they were unpacked into. */
export class Bundles {
  readonly #folder: string;
  readonly #registry: string;
  /** What is being made now, so that two starts do it once. */
  readonly #making = new Map<string, Promise<string>>();

  /** @param registry "host:port". */
  constructor(folder: string, registry: string) {
    this.#folder = folder;
    this.#registry = registry;
  }

  /**
   * The tar file of a bundle; fetched when this host has none.
   *
   * @throws RouseError FAILED_PRECONDITION BUNDLE_UNKNOWN, UNAVAILABLE REGISTRY_UNREACHABLE, DATA_LOSS
   *   BUNDLE_CORRUPT, INVALID_ARGUMENT BUNDLE_DIGEST_INVALID.
   */
  tar(digest: string): Promise<string> {
    checkDigest(digest);
    const file = join(this.#folder, `${digest}.tar`);
    return this.#once(file, () => this.#fetch(digest, file));
  }

  /** The folder that holds a bundle's files. @throws as {@link tar}. */
  folder(digest: string): Promise<string> {
    checkDigest(digest);
    const folder = join(this.#folder, digest);
    return this.#once(folder, async () => unpack(await this.tar(digest), folder));
  }

  /**
   * Where Node keeps what it compiled of a bundle, for the next start (NODE_COMPILE_CACHE): about a quarter of a boot.
   */
  compileCache(digest: string): string {
    return join(this.#folder, `${digest}.cache`);
  }

  async remove(digest: string): Promise<void> {
    await rm(this.compileCache(digest), { recursive: true, force: true });
    await rm(join(this.#folder, digest), { recursive: true, force: true });
    await rm(join(this.#folder, `${digest}.tar`), { force: true });
  }

  /** Removes what is half-made or not among `keep`. @returns the names removed. */
  async sweep(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const swept = (await readdir(this.#folder)).filter(
      (name) => !keep.has(name.replace(/\.(tar|cache)$/, "")),
    );
    for (const name of swept) await rm(join(this.#folder, name), { recursive: true, force: true });
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
    const client = new RegistryClient(this.#registry, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
    });
    const partial = `${file}.part`;
    const hash = createHash("sha256");
    try {
      const chunks = client.getBundle({ digest }) as AsyncIterable<GetBundleResponse>;
      const bytes = Readable.from(hashed(chunks, hash));
      await pipeline(bytes, createWriteStream(partial));
      const got = hash.digest("hex");
      if (got !== digest)
        throw new RouseError(
          "DATA_LOSS",
          `The registry at ${this.#registry} sent a bundle with digest ${got} in place of ${digest}. Register the version again.`,
          { reason: "BUNDLE_CORRUPT" },
        );
      await rename(partial, file);
    } catch (error) {
      await rm(partial, { force: true });
      throw this.#why(digest, error);
    } finally {
      client.close();
    }
  }

  #why(digest: string, error: unknown): RouseError {
    const known = callError(error);
    if (known.code === status.NOT_FOUND)
      return new RouseError(
        "FAILED_PRECONDITION",
        `The registry at ${this.#registry} has no bundle ${digest}. Run "rouse register" again.`,
        { reason: "BUNDLE_UNKNOWN", cause: error },
      );
    if (known.code !== status.UNAVAILABLE) return known;
    return new RouseError(
      "UNAVAILABLE",
      `The registry at ${this.#registry} does not answer, so bundle ${digest} cannot be fetched (${known.message}).`,
      { reason: "REGISTRY_UNREACHABLE", cause: error },
    );
  }
}

async function* hashed(
  chunks: AsyncIterable<GetBundleResponse>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const { chunk } of chunks) {
    hash.update(chunk);
    yield chunk;
  }
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

function checkDigest(digest: string): void {
  if (/^[0-9a-f]{64}$/.test(digest)) return;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `"${digest}" is no bundle digest: 64 hexadecimal digits of SHA-256.`,
    {
      reason: "BUNDLE_DIGEST_INVALID",
    },
  );
}
