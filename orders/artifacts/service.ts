import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ServerReadableStream, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import type {
  ArtifactsServer,
  ReadArtifactRequest,
  ReadArtifactResponse,
  Upload,
  WriteUploadRequest,
} from "#proto/rouse/orders/v1/artifacts.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { whoCalls, withinMesh } from "../who.ts";
import type { Artifacts } from "./store.ts";
import { artifactUri } from "./uri.ts";

/** The service rouse.orders.v1.Artifacts. */
export function artifactsService(artifacts: Artifacts): ArtifactsServer {
  const { uploads } = artifacts;
  return {
    beginUpload: answer(async (request, metadata) => {
      const who = whoCalls(metadata);
      if (request.holder !== "") withinMesh(who, "Holding an artifact");
      return uploads.begin({ ...request, owner: who.name });
    }),
    getUpload: answer(({ id }) => uploads.get(id)),
    writeUpload: (call, callback) => void writeUpload(artifacts, call, callback),
    finishUpload: answer(async ({ id, sha256, blockSums }) => {
      const { digest, upload } = await uploads.finish(id, sha256, blockSums);
      return artifacts.get(artifactUri(digest, upload.name));
    }),
    abandonUpload: answer(async ({ id }) => {
      await uploads.abandon(id);
      return {};
    }),
    readArtifact: (call) => void readArtifact(artifacts, call),
    getArtifact: answer(({ uri }) => artifacts.get(uri)),
    searchArtifacts: answer((request) => artifacts.search(request)),
    listHistory: answer(async ({ uri }) => ({ events: await artifacts.history(uri) })),
    annotateArtifact: answer(async ({ uri, metadata }, call) => {
      const who = whoCalls(call);
      withinMesh(who, "Adding to what is said of an artifact");
      await artifacts.annotate(uri, metadata, who.name);
      return artifacts.get(uri);
    }),
    keepArtifact: answer(async ({ uri, keepMs }, metadata) => {
      const who = whoCalls(metadata);
      withinMesh(who, "Changing how long an artifact is kept");
      await artifacts.keep(uri, keepMs, who.name);
      return artifacts.get(uri);
    }),
    holdArtifact: answer(async ({ uri, holder }, metadata) => {
      withinMesh(whoCalls(metadata), "Holding an artifact");
      await artifacts.hold(uri, holder);
      return {};
    }),
    releaseArtifact: answer(async ({ uri, holder }, metadata) => {
      withinMesh(whoCalls(metadata), "Releasing an artifact");
      await artifacts.release(holder, uri === "" ? undefined : uri);
      return {};
    }),
    removeArtifact: answer(async ({ uri, reason }, metadata) => {
      const who = whoCalls(metadata);
      withinMesh(who, "Removing an artifact");
      await artifacts.remove(uri, reason, who.name);
      return {};
    }),
    verifyArtifact: answer(async ({ uri }) => ({ bytes: await artifacts.verify(uri) })),
  };
}

async function writeUpload(
  { uploads }: Artifacts,
  call: ServerReadableStream<WriteUploadRequest, Upload>,
  callback: sendUnaryData<Upload>,
): Promise<void> {
  const first = Promise.withResolvers<WriteUploadRequest | undefined>();
  const chunks = new Transform({
    writableObjectMode: true,
    writableHighWaterMark: 2,
    readableHighWaterMark: 2 ** 20,
    transform(message: WriteUploadRequest, _encoding, done) {
      first.resolve(message);
      done(null, message.chunk.length > 0 ? message.chunk : undefined);
    },
  });
  const flowing = pipeline(call, chunks)
    .catch((error: Error) => void chunks.destroy(error))
    .finally(() => first.resolve(undefined));
  try {
    const { id = "", offset = 0 } = (await first.promise) ?? {};
    callback(null, await uploads.write(id, offset, chunks));
  } catch (thrown) {
    callback(statusObject(thrown));
  } finally {
    // What still comes is of no use.
    chunks.destroy();
    await flowing;
  }
}

async function readArtifact(
  artifacts: Artifacts,
  call: ServerWritableStream<ReadArtifactRequest, ReadArtifactResponse>,
): Promise<void> {
  const gone = new AbortController();
  let drained: (() => void) | undefined;
  call.on("cancelled", () => {
    gone.abort();
    drained?.();
  });
  call.on("drain", () => drained?.());
  try {
    const { uri, offset, length } = call.request;
    for await (const chunk of artifacts.read(uri, { offset, length, signal: gone.signal })) {
      if (gone.signal.aborted) return;
      if (call.write({ chunk })) continue;
      await new Promise<void>((resolve) => {
        drained = resolve;
        if (gone.signal.aborted) resolve();
      });
    }
    call.end();
  } catch (thrown) {
    if (!gone.signal.aborted) call.emit("error", statusObject(thrown));
  }
}
