import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ArtifactsClient, type ReadArtifactResponse, type Upload } from "#proto/rouse/orders/v1/artifacts.ts";
import { BlockSums } from "../../sdk/client/artifacts/block-sums.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { CALLER_HEADER } from "../../sdk/usage/caller.ts";

/** So long orders may be away, ms: another process takes over, or the database is started again. */
const AWAY_MS = 60_000;
const AGAIN_MS = 250;
/** Bytes that are sent at once, and again when orders went away meanwhile. */
const SEGMENT = 4 * 2 ** 20;
const CHUNK = 256 * 1024;

/** What an output becomes. */
export interface NewArtifact {
  readonly name: string;
  readonly mediaType: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** For whom it is held; empty: nobody. */
  readonly holder: string;
  /** Service that makes it. */
  readonly owner: string;
}

/** The artifacts of orders, for jobs. Goes on where it was when orders went away for a time. */
export class ArtifactClient {
  readonly #find: () => Promise<string>;
  #client: { readonly address: string; readonly stub: ArtifactsClient } | undefined;

  /** @param find where orders are, "host:port". */
  constructor(find: () => Promise<string>) {
    this.#find = find;
  }

  close(): void {
    this.#client?.stub.close();
    this.#client = undefined;
  }

  /** The content from an offset on. @throws RouseError as ReadArtifact of the API. */
  async *read(uri: string, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    let at = offset;
    let until = performance.now() + AWAY_MS;
    for (;;) {
      try {
        const stream = (await this.#stub()).readArtifact({ uri, offset: at, length: 0 });
        const cancel = () => stream.cancel();
        signal.addEventListener("abort", cancel, { once: true });
        try {
          for await (const { chunk } of stream as AsyncIterable<ReadArtifactResponse>) {
            at += chunk.length;
            until = performance.now() + AWAY_MS;
            yield chunk;
          }
          return;
        } finally {
          signal.removeEventListener("abort", cancel);
          stream.cancel();
        }
      } catch (thrown) {
        signal.throwIfAborted();
        await this.#again(callError(thrown), until);
      }
    }
  }

  async size(uri: string): Promise<number> {
    const { bytes } = await this.#patiently((stub) => unary(stub, "getArtifact", { uri }));
    return bytes;
  }

  /** Stores a content. @throws RouseError as the API, and what the content throws. */
  async write(content: AsyncIterable<Buffer>, made: NewArtifact): Promise<{ uri: string; bytes: number }> {
    const id = randomUUID();
    const sums = new BlockSums();
    await this.begin(id, made);
    try {
      let offset = 0;
      for await (const segment of segments(content)) {
        sums.update(segment);
        await this.append(id, offset, segment);
        offset += segment.length;
      }
      // Orders may have been started anew meanwhile: only this tells them whether it is whole.
      return await this.finish(id, made.owner, "", sums.bytes());
    } catch (thrown) {
      await this.abandon(id);
      throw thrown;
    }
  }

  /** Begins an upload, or finds it again. @returns bytes that it has already. */
  async begin(id: string, { owner, ...facts }: NewArtifact): Promise<number> {
    const kept = { keepMs: 0, keepForever: false, bytes: 0 };
    const request = { id, ...facts, metadata: { ...facts.metadata }, ...kept };
    const metadata = metadataOf(owner);
    const { offset } = await this.#patiently((stub) => unary(stub, "beginUpload", request, { metadata }));
    return offset;
  }

  /** Writes at the end of an upload. */
  async append(id: string, offset: number, bytes: Buffer): Promise<void> {
    const until = performance.now() + AWAY_MS;
    let at = offset;
    while (at < offset + bytes.length) {
      try {
        const done = await this.#upload(id, at, bytes.subarray(at - offset));
        at = done.offset;
      } catch (thrown) {
        await this.#again(callError(thrown), until);
        at = (await this.#patiently((stub) => unary(stub, "getUpload", { id }))).offset;
      }
    }
  }

  /**
   * Makes an artifact of an upload; again, it answers the same.
   *
   * @param sha256 of all of it; empty: not compared.
   * @param blockSums checksums of its blocks; empty: not compared.
   */
  async finish(
    id: string,
    owner: string,
    sha256: string,
    blockSums: Buffer = Buffer.alloc(0),
  ): Promise<{ uri: string; bytes: number }> {
    const { uri, bytes } = await this.#patiently((stub) =>
      // What was written is brought to disk, and looked at as a whole.
      unary(
        stub,
        "finishUpload",
        { id, sha256, blockSums },
        { deadlineMs: 600_000, metadata: metadataOf(owner) },
      ),
    );
    return { uri, bytes };
  }

  /** Gives an upload up. What this does not reach is removed in a day. */
  async abandon(id: string): Promise<void> {
    await this.#stub()
      .then((stub) => unary(stub, "abandonUpload", { id }))
      .catch(() => undefined);
  }

  async #upload(id: string, offset: number, bytes: Buffer): Promise<Upload> {
    const { promise, resolve, reject } = Promise.withResolvers<Upload>();
    const stream = (await this.#stub()).writeUpload((error: ServiceError | null, upload) =>
      error === null ? resolve(upload) : reject(error),
    );
    for (let at = 0; at < bytes.length; at += CHUNK)
      stream.write({
        id: at === 0 ? id : "",
        offset: at === 0 ? offset : 0,
        chunk: bytes.subarray(at, at + CHUNK),
      });
    stream.end();
    return promise;
  }

  async #patiently<T>(ask: (stub: ArtifactsClient) => Promise<T>): Promise<T> {
    const until = performance.now() + AWAY_MS;
    for (;;) {
      try {
        return await ask(await this.#stub());
      } catch (thrown) {
        await this.#again(callError(thrown), until);
      }
    }
  }

  /** Waits a moment where another try may help, else throws. */
  async #again(error: RouseError, until: number): Promise<void> {
    if (error.status !== "UNAVAILABLE" || performance.now() > until) throw error;
    await sleep(AGAIN_MS);
  }

  async #stub(): Promise<ArtifactsClient> {
    const address = await this.#find();
    if (this.#client?.address !== address) {
      this.#client?.stub.close();
      const stub = new ArtifactsClient(address, credentials.createInsecure(), {
        "grpc.enable_http_proxy": 0,
        "grpc.initial_reconnect_backoff_ms": AGAIN_MS,
        "grpc.max_reconnect_backoff_ms": 1_000,
      });
      this.#client = { address, stub };
    }
    return this.#client.stub;
  }
}

function metadataOf(owner: string): Metadata {
  const metadata = new Metadata();
  metadata.set(CALLER_HEADER, owner);
  return metadata;
}

/** Content in pieces that are kept until they have arrived. */
async function* segments(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of content) {
    chunks.push(chunk);
    length += chunk.length;
    if (length < SEGMENT) continue;
    yield Buffer.concat(chunks);
    chunks = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(chunks);
}
