import { createReadStream } from "node:fs";
import type { ClientWritableStream } from "@grpc/grpc-js";
import type {
  PutBundleRequest,
  PutBundleResponse,
  RegisterVersionRequest,
  RegisterVersionResponse,
  RegistryClient,
} from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, unary } from "../sdk/grpc.ts";

const CHUNK_BYTES = 512 * 1024;
/** A version's manifest is written to Consul in this call. */
const DEADLINE_MS = 60_000;

/**
 * Registers a version, uploading its bundle only if the registry lacks it.
 *
 * @param bundleFile - The tar file whose digest the request's artifact names; undefined for an image.
 * @param onUpload - Told when an upload begins.
 * @throws RouseError as RegisterVersion and PutBundle end.
 */
export async function publishVersion(
  client: RegistryClient,
  request: RegisterVersionRequest,
  bundleFile?: string,
  onUpload?: () => void,
): Promise<RegisterVersionResponse> {
  const register = () => unary(client, "registerVersion", request, { deadlineMs: DEADLINE_MS });
  try {
    return await register();
  } catch (thrown) {
    const missing = thrown instanceof RouseError && thrown.reason === "BUNDLE_UNKNOWN";
    if (!missing || bundleFile === undefined) throw thrown;
  }
  onUpload?.();
  await putBundle(client, bundleFile);
  return register();
}

/** Uploads a tar file, at the registry's pace. @throws RouseError as PutBundle ends, and for a file that cannot be read. */
export async function putBundle(client: RegistryClient, file: string): Promise<PutBundleResponse> {
  const result = Promise.withResolvers<PutBundleResponse>();
  // It may fail while the file is still read.
  result.promise.catch(() => undefined);
  const ended = new AbortController();
  const call = client.putBundle((error, response) => {
    ended.abort();
    if (error === null) result.resolve(response);
    else result.reject(callError(error));
  });
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
      if (ended.signal.aborted) break;
      if (!call.write({ chunk })) await drained(call, ended.signal);
    }
    call.end();
  } catch (cause) {
    call.cancel();
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${file} cannot be read (${(cause as Error).message}). Build it anew by "rouse build".`,
      {
        reason: "BUNDLE_UNREADABLE",
        cause,
      },
    );
  }
  return result.promise;
}

/** Resolves when the call takes more, or has ended. */
function drained(call: ClientWritableStream<PutBundleRequest>, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.removeListener("drain", done);
      ended.removeEventListener("abort", done);
      resolve();
    };
    call.once("drain", done);
    ended.addEventListener("abort", done, { once: true });
    if (ended.aborted) done();
  });
}
