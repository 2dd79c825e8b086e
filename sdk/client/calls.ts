import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { callError } from "../grpc.ts";
import { type Attempts, type ClientContext, prepare } from "./attempt.ts";
import { awayDelayMs, pause, retryDelayMs } from "./retry.ts";
import type { Failure, Way } from "./route.ts";
import { readResponses, sendRequests } from "./streams.ts";
import { tooLarge } from "./too-large.ts";
import type { ClientCallOptions } from "./types.ts";

/** Sends one request or a stream of them, and waits for one answer. */
export async function callOnce(
  context: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  options: ClientCallOptions = {},
): Promise<unknown> {
  const attempts = prepare(context, method, options);
  try {
    for (;;) {
      try {
        const response = await attemptOnce(context, method, request, attempts);
        attempts.span?.end(0);
        return response;
      } catch (thrown) {
        await untilNext(clientError(thrown, method, attempts), context, method, attempts);
      }
    }
  } catch (thrown) {
    throw failed(thrown, method, attempts);
  }
}

/** Sends one request or a stream of them, and reads a stream of answers. The call begins with the first read. */
export async function* callMany(
  context: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  options: ClientCallOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  const attempts = prepare(context, method, options);
  let ended = false;
  try {
    for (;;) {
      let begun = false;
      try {
        for await (const response of attemptMany(context, method, request, attempts)) {
          begun = true;
          yield response;
        }
        ended = true;
        attempts.span?.end(0);
        return;
      } catch (thrown) {
        await untilNext(clientError(thrown, method, attempts), context, method, attempts, begun);
      }
    }
  } catch (thrown) {
    ended = true;
    throw failed(thrown, method, attempts);
  } finally {
    // The caller left the loop early.
    if (!ended) attempts.span?.end(1, "cancelled by the caller");
  }
}

function attemptOnce(
  { route }: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  attempts: Attempts,
): Promise<unknown> {
  const { deadline, signal } = attempts;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const way = route.take(attempts.avoid);
    const { grpc } = way;
    const metadata = metadataOf(attempts, way);
    const answered = (error: ServiceError | null, response?: unknown) => {
      signal?.removeEventListener("abort", cancel);
      ended(way, attempts, error);
      if (error === null) resolve(response);
      else reject(error);
    };
    const options: CallOptions = deadline === undefined ? {} : { deadline };
    const { path, decodeResponse } = method;
    const encode = encoder(method);
    const call = method.requestStream
      ? grpc.makeClientStreamRequest(path, encode, decodeResponse, metadata, options, answered)
      : grpc.makeUnaryRequest(path, encode, decodeResponse, request, metadata, options, answered);
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    if (method.requestStream) {
      const stream = call as ClientWritableStream<unknown>;
      sendRequests(request as AsyncIterable<unknown>, stream).catch((thrown) => {
        reject(thrown);
        stream.cancel();
      });
    }
  });
}

async function* attemptMany(
  { route }: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  attempts: Attempts,
): AsyncGenerator<unknown, void, undefined> {
  const { deadline, signal } = attempts;
  signal?.throwIfAborted();
  const way = route.take(attempts.avoid);
  const { grpc } = way;
  const metadata = metadataOf(attempts, way);
  const options: CallOptions = deadline === undefined ? {} : { deadline };
  const { path, decodeResponse } = method;
  const encode = encoder(method);
  const call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown> = method.requestStream
    ? grpc.makeBidiStreamRequest(path, encode, decodeResponse, metadata, options)
    : grpc.makeServerStreamRequest(path, encode, decodeResponse, request, metadata, options);
  const requests = method.requestStream ? (request as AsyncIterable<unknown>) : undefined;
  let failure: unknown = null;
  try {
    yield* readResponses(call, requests, signal);
  } catch (thrown) {
    failure = thrown;
    throw thrown;
  } finally {
    ended(way, attempts, failure);
  }
}

function metadataOf({ metadata }: Attempts, { version }: Way): Metadata {
  const own = metadata.clone();
  if (version !== undefined) own.set("rouse-version", version);
  return own;
}

/** Books the end of an attempt, whatever it was. */
function ended(way: Way, attempts: Attempts, error: unknown): void {
  const failure = failureOf(error);
  attempts.direct = way.address !== undefined;
  attempts.known = way.isKnown;
  if (failure === "unavailable" && way.address !== undefined) attempts.avoid.add(way.address);
  way.end(failure);
}

/**
 * What Envoy's load reports count as an error as well: what is a 5xx in HTTP (Grpc::Utility::grpcToHttpStatus). But for DEADLINE_EXCEEDED,
 * which here is mostly the caller's own word.
 */
const BROKEN: ReadonlySet<unknown> = new Set([
  status.UNKNOWN,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.DATA_LOSS,
]);

function failureOf(error: unknown): Failure | undefined {
  if (!(error instanceof Error && "code" in error)) return undefined;
  if (error.code === status.UNAVAILABLE) return "unavailable";
  return BROKEN.has(error.code) ? "broken" : undefined;
}

/** The instance was gone before it saw the call, which another one may take: as Envoy does it, whatever the method. */
function unsent(error: RouseError, { direct, deadline = Infinity }: Attempts): boolean {
  return direct && unconnected(error) && Date.now() < deadline;
}

/**
 * Waits until the call is to be tried again.
 *
 * @param begun The caller has seen an answer, which a second try would show twice.
 * @throws what the caller is told, when it is not tried again.
 */
async function untilNext(
  error: RouseError,
  context: ClientContext,
  method: AnyMethodDefinition,
  attempts: Attempts,
  begun = false,
): Promise<void> {
  // A stream of requests is used up by its first attempt.
  const again = !begun && !method.requestStream;
  const lost = again && unsent(error, attempts);
  const back = again && !lost ? untilBack(error, context, attempts) : undefined;
  if (back === undefined) attempts.failed += 1;
  if (lost) return;
  const retries = again && method.idempotent ? context.retries : 0;
  const delay = back ?? retryDelayMs(error, attempts.failed, retries, attempts.deadline);
  if (delay === undefined) throw tooLarge(method, error, context.maxResponseBytes) ?? error;
  await pause(delay, attempts.signal);
}

/** The pause before it is looked again whether the mesh is back, ms; undefined: that is not what is wrong, or not waited for. */
function untilBack(error: RouseError, { retries }: ClientContext, attempts: Attempts): number | undefined {
  if (retries === 0 || attempts.direct || !attempts.known || !unconnected(error)) {
    attempts.awaySinceMs = undefined;
    return undefined;
  }
  attempts.awaySinceMs ??= performance.now();
  return awayDelayMs(attempts.awaySinceMs, attempts.deadline);
}

function unconnected({ status: name, message }: RouseError): boolean {
  return name === "UNAVAILABLE" && message.startsWith("No connection established");
}

function encoder(method: AnyMethodDefinition): (message: unknown) => Buffer {
  const encode = method.encodeRequest as (message: unknown) => Uint8Array;
  return (message) => {
    const bytes = encode(message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

/** Says of a cancelled call who cancelled it. */
function clientError(
  thrown: unknown,
  method: AnyMethodDefinition,
  { signal, deadline }: Attempts,
): RouseError {
  if (!signal?.aborted) return callError(thrown, deadline);
  if (signal.reason instanceof RouseError) return signal.reason;
  return new RouseError("CANCELLED", `${method.name} was cancelled by its signal.`, {
    reason: "CALL_CANCELLED",
    cause: signal.reason,
  });
}

function failed(thrown: unknown, method: AnyMethodDefinition, attempts: Attempts): RouseError {
  const error = clientError(thrown, method, attempts);
  attempts.span?.end(error.code, error.message);
  return error;
}
