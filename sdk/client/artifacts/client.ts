import { randomUUID } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import {
  type Artifact,
  type ArtifactEvent,
  ArtifactsClient as GrpcClient,
  type SearchArtifactsRequest,
} from "#proto/rouse/orders/v1/artifacts.ts";
import { RouseError } from "../../errors.ts";
import { unary } from "../../grpc.ts";
import { CALLER_HEADER } from "../../usage/caller.ts";
import { defaultTarget } from "../attempt.ts";
import { type SharedChannel, shareChannel } from "../channel.ts";
import type { ClientOptions } from "../types.ts";
import { download } from "./download.ts";
import { ContentHttp, unreachable } from "./http.ts";
import { persist } from "./persist.ts";
import { type ArtifactSource, newHash, piecesOf, sizeOf } from "./source.ts";

export type { Artifact, ArtifactEvent } from "#proto/rouse/orders/v1/artifacts.ts";
export type { ArtifactSource } from "./source.ts";

/** What is said of new content. */
export interface PutOptions {
  /** A file name, such as "reads.fastq". Default: none. */
  readonly name?: string;
  /** Such as "text/plain". Default: what the name tells. */
  readonly mediaType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Kept at least so long, ms, or for ever. Default: what the mesh's administrator chose, 30 days. */
  readonly keepMs?: number | "forever";
  /** Held from the beginning, such as "study:17", until {@link Artifacts.release}. */
  readonly holder?: string;
  /**
   * The same id goes on where an upload of this id stopped, in another process as well; the source has to be the same. 8 to 64
   * letters, digits, "-" and "_". Default: a new one.
   */
  readonly uploadId?: string;
  /** Told once from which byte on it goes: more than 0 where it goes on. */
  readonly onBegin?: (offset: number) => void;
  /** Told how many bytes have been sent. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Which bytes of an artifact. */
export interface GetOptions {
  readonly offset?: number;
  /** Default: to the end. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

/** What to look for; all that is given must hold. */
export type SearchOptions = Partial<Omit<SearchArtifactsRequest, "page">>;

/** Artifacts of the mesh. Errors are {@link RouseError}s. */
export interface Artifacts {
  /**
   * Stores content, in bounded memory, and resolves when it is on disk. A connection that breaks is made again, and goes on where it was.
   *
   * @throws RouseError RESOURCE_EXHAUSTED ARTIFACT_NO_ROOM; DATA_LOSS ARTIFACT_DIGEST_WRONG; INVALID_ARGUMENT ARTIFACT_METADATA_INVALID,
   *   ARTIFACT_FILE_UNREADABLE.
   */
  put(source: ArtifactSource, options?: PutOptions): Promise<Artifact>;
  /**
   * The content, or a part of it. A connection that breaks is made again, and goes on where it was. All of a content is compared with
   * its digest, so that the stream ends well only when it is what was put.
   *
   * @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED; DATA_LOSS ARTIFACT_CORRUPT; OUT_OF_RANGE ARTIFACT_RANGE.
   */
  get(uri: string, options?: GetOptions): AsyncIterable<Buffer>;
  /** Writes the content to a file, which gets its name when it is whole; a part that was left before is gone on with. */
  download(
    uri: string,
    file: string,
    options?: Pick<PutOptions, "onBegin" | "onProgress" | "signal">,
  ): Promise<void>;
  /** What is known of an artifact. */
  show(uri: string): Promise<Artifact>;
  /** Newest first. */
  search(options?: SearchOptions): AsyncIterable<Artifact>;
  /** All that was said of an artifact and done to it, oldest first. */
  history(uri: string): Promise<ArtifactEvent[]>;
  /** Says more of an artifact. */
  annotate(uri: string, metadata: Readonly<Record<string, string>>): Promise<Artifact>;
  /** Changes how long it is kept at least, from now. */
  keep(uri: string, keepMs: number | "forever"): Promise<Artifact>;
  /** Keeps it until {@link release}. */
  hold(uri: string, holder: string): Promise<void>;
  /** Lets go of one, or of all that the holder has. */
  release(holder: string, uri?: string): Promise<void>;
  /** Takes the content away; its history stays. @throws RouseError FAILED_PRECONDITION ARTIFACT_HELD. */
  remove(uri: string, reason?: string): Promise<void>;
  /** Has the store read all of it and compare it. @throws RouseError DATA_LOSS ARTIFACT_CORRUPT. */
  verify(uri: string): Promise<number>;
  /** Lets go of the connections. */
  close(): void;
}

export interface ArtifactsOptions extends Pick<ClientOptions, "target"> {
  /** Where contents are had by HTTP, "host:port" or "unix:/path". Default: the target. */
  readonly http?: string;
  /**
   * Files are copied to and from the folder of the store itself where this process may open what is there. Default: true. False: all goes
   * through connections.
   */
  readonly sharesDisk?: boolean;
  /** More headers of each call. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The database may have to be started first, ms. */
const START_MS = 90_000;
/** All of a large content is put on disk, or read, ms. */
const LONG_MS = 3_600_000;
const MOST_BYTES = 64 * 2 ** 20;
/** From so many bytes on it is asked whether the store's folder is on this disk. */
const NEAR_BYTES = 8 * 2 ** 20;
const PAGE = 200;

/** The mesh's artifacts. Inside the mesh it finds them by itself. */
export function artifacts(options: ArtifactsOptions = {}): Artifacts {
  const target = defaultTarget(options);
  const channel = shareChannel(target, MOST_BYTES);
  const http = new ContentHttp(options.http ?? target);
  const headers = options.headers ?? {};
  const sharesDisk = options.sharesDisk ?? true;
  const metadata = new Metadata();
  if (process.env.ROUSE_SERVICE) metadata.set(CALLER_HEADER, process.env.ROUSE_SERVICE);
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const grpc = () => clientOf(channel);
  const ask = { deadlineMs: START_MS, metadata };

  async function put(source: ArtifactSource, put: PutOptions = {}): Promise<Artifact> {
    const { signal, onProgress } = put;
    const id = put.uploadId ?? randomUUID();
    const hash = newHash();
    /** Of a file that was copied, and so not hashed here. */
    let blockSums: Buffer | undefined;
    let arrived = 0;
    const trying = <T>(work: () => Promise<T>) => persist(work, () => arrived, signal);
    // Where no mesh is, it is better told at once.
    const began = await unary(
      grpc(),
      "beginUpload",
      {
        id,
        name: put.name ?? "",
        mediaType: put.mediaType ?? "",
        metadata: { ...put.metadata },
        keepMs: typeof put.keepMs === "number" ? put.keepMs : 0,
        keepForever: put.keepMs === "forever",
        holder: put.holder ?? "",
        bytes: await sizeOf(source),
      },
      ask,
    );
    arrived = began.offset;
    put.onBegin?.(arrived);
    for await (const piece of piecesOf(source, hash)) {
      const end = piece.offset + piece.bytes;
      let known = true;
      if (sharesDisk && piece.copyTo !== undefined && end - arrived >= NEAR_BYTES) {
        const { putNear } = await import("./near.ts");
        blockSums = await putNear({ http, headers, signal, onProgress }, id, piece, arrived);
        known = blockSums !== undefined;
        if (known) arrived = end;
      }
      await trying(async () => {
        if (!known) arrived = (await unary(grpc(), "getUpload", { id }, ask)).offset;
        known = false;
        if (arrived >= end) return;
        if (arrived < piece.offset) throw lostUpload(id);
        const body = piece.open(arrived);
        const path = `/content/uploads/${id}?offset=${arrived}`;
        const request = { method: "PUT", path, headers, signal } as const;
        const said = await http.put(request, body, end - arrived).catch((error: unknown) => {
          // What a connection had brought before it broke was still being written when the offset was asked for.
          const behind = error instanceof RouseError && error.reason === "UPLOAD_OFFSET";
          throw behind ? unreachable(error.message) : error;
        });
        arrived = offsetOf(said);
        if (arrived < end) throw unreachable("the upload was cut short");
      });
      if (blockSums === undefined) await piece.finish();
      onProgress?.(arrived);
    }
    const sha256 = blockSums === undefined ? hash.digest("hex") : "";
    return trying(() =>
      unary(
        grpc(),
        "finishUpload",
        { id, sha256, blockSums: blockSums ?? Buffer.alloc(0) },
        { ...ask, deadlineMs: LONG_MS, ...(signal && { signal }) },
      ),
    );
  }

  return {
    put,
    get: (uri, options = {}) => download({ http, headers, uri, ...options }),
    async download(uri, file, options = {}) {
      const { downloadTo } = await import("./to-file.ts");
      await downloadTo({ http, headers, uri, sharesDisk, ...options }, file);
    },
    show: (uri) => unary(grpc(), "getArtifact", { uri }, ask),
    async *search(options = {}) {
      const {
        query = "",
        where = [],
        owner = "",
        holder = "",
        sinceMs = 0,
        untilMs = 0,
        limit = 0,
      } = options;
      const most = limit || Number.POSITIVE_INFINITY;
      let given = 0;
      for (let page = ""; ; ) {
        const request = { query, where, owner, holder, sinceMs, untilMs, page };
        const wanted = Math.min(PAGE, most - given);
        const answer = await unary(grpc(), "searchArtifacts", { ...request, limit: wanted }, ask);
        yield* answer.artifacts;
        given += answer.artifacts.length;
        page = answer.nextPage;
        if (page === "" || given >= most) return;
      }
    },
    history: async (uri) => (await unary(grpc(), "listHistory", { uri }, ask)).events,
    annotate: (uri, metadata) => unary(grpc(), "annotateArtifact", { uri, metadata: { ...metadata } }, ask),
    keep: (uri, keepMs) =>
      unary(grpc(), "keepArtifact", { uri, keepMs: keepMs === "forever" ? 0 : keepMs }, ask),
    async hold(uri, holder) {
      await unary(grpc(), "holdArtifact", { uri, holder }, ask);
    },
    async release(holder, uri = "") {
      await unary(grpc(), "releaseArtifact", { uri, holder }, ask);
    },
    async remove(uri, reason = "") {
      await unary(grpc(), "removeArtifact", { uri, reason }, ask);
    },
    verify: async (uri) =>
      (await unary(grpc(), "verifyArtifact", { uri }, { ...ask, deadlineMs: LONG_MS })).bytes,
    close() {
      http.close();
      channel.release();
    },
  };
}

/** By hand: a schema library would be loaded at every service's start. */
function offsetOf(said: unknown): number {
  const offset = typeof said === "object" && said !== null && "offset" in said ? said.offset : undefined;
  if (typeof offset === "number") return offset;
  throw new RouseError("INTERNAL", "The answer to an upload says nothing of its offset.");
}

/** What was sent of a stream is not kept by its sender. */
function lostUpload(id: string): RouseError {
  return new RouseError(
    "ABORTED",
    `The upload ${id} has lost what had arrived of it, and a stream cannot be sent again from its beginning. Store it anew.`,
    { reason: "UPLOAD_LOST" },
  );
}

const clients = new WeakMap<SharedChannel["grpc"], GrpcClient>();

function clientOf({ grpc }: SharedChannel): GrpcClient {
  let client = clients.get(grpc);
  if (client === undefined) {
    client = new GrpcClient("", undefined as never, { channelOverride: grpc.getChannel() });
    clients.set(grpc, client);
  }
  return client;
}
