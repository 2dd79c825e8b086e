import type {
  CallOptions,
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  ServiceError,
} from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { callError } from "../grpc.ts";
import { type Attempts, type ClientContext, prepare } from "./attempt.ts";
import { pause, retryDelayMs } from "./retry.ts";
import { readResponses, sendRequests } from "./streams.ts";
import type { ClientCallOptions } from "./types.ts";

/** Sends one request or a stream of them, and waits for one answer. */
export async function callOnce(
  context: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  options: ClientCallOptions = {},
): Promise<unknown> {
  const attempts = prepare(context, method, options);
  // A stream of requests is used up by its first attempt.
  const retries = method.idempotent && !method.requestStream ? context.retries : 0;
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await attemptOnce(context, method, request, attempts);
        attempts.span?.end(0);
        return response;
      } catch (thrown) {
        const error = clientError(thrown, method, attempts);
        const delay = retryDelayMs(error, attempt, retries, attempts.deadline);
        if (delay === undefined) throw error;
        await pause(delay, attempts.signal);
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
  const retries = method.idempotent && !method.requestStream ? context.retries : 0;
  let ended = false;
  try {
    for (let attempt = 1; ; attempt += 1) {
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
        const error = clientError(thrown, method, attempts);
        // Once that the caller has seen an answer, a second try would show it twice.
        const delay = begun ? undefined : retryDelayMs(error, attempt, retries, attempts.deadline);
        if (delay === undefined) throw error;
        await pause(delay, attempts.signal);
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
  { channel: { grpc } }: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  { metadata, deadline, signal }: Attempts,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const answered = (error: ServiceError | null, response?: unknown) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) resolve(response);
      else reject(error);
    };
    const options: CallOptions = deadline === undefined ? {} : { deadline };
    const { path, decodeResponse } = method;
    const encode = encoder(method);
    const call = method.requestStream
      ? grpc.makeClientStreamRequest(path, encode, decodeResponse, metadata.clone(), options, answered)
      : grpc.makeUnaryRequest(path, encode, decodeResponse, request, metadata.clone(), options, answered);
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

function attemptMany(
  { channel: { grpc } }: ClientContext,
  method: AnyMethodDefinition,
  request: unknown,
  { metadata, deadline, signal }: Attempts,
): AsyncIterable<unknown> {
  signal?.throwIfAborted();
  const options: CallOptions = deadline === undefined ? {} : { deadline };
  const { path, decodeResponse } = method;
  const encode = encoder(method);
  const call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown> = method.requestStream
    ? grpc.makeBidiStreamRequest(path, encode, decodeResponse, metadata.clone(), options)
    : grpc.makeServerStreamRequest(path, encode, decodeResponse, request, metadata.clone(), options);
  const requests = method.requestStream ? (request as AsyncIterable<unknown>) : undefined;
  return readResponses(call, requests, signal);
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
