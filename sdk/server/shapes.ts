import type { ServerReadableStream, ServerUnaryCall, sendUnaryData, UntypedHandleCall } from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { traceStorage } from "../tracing/index.ts";
import { type GrpcCall, ServerCall } from "./call.ts";
import { ending, publicError } from "./failure.ts";
import { answerTooLarge, refuseLarge, refuseLargeAnswer } from "./result-size.ts";
import type { Runtime } from "./runtime.ts";
import { type ResponseStream, readAll, writeAll } from "./streams.ts";

/** A handler whose types the caller has checked. */
export type AnyHandler<State> = (request: unknown, call: ServerCall<State>) => unknown;

/** Answers with one message; requests are one message or a stream. */
function answerOnce<State>(
  runtime: Runtime<State>,
  method: AnyMethodDefinition,
  handler: AnyHandler<State>,
  grpc: GrpcCall,
  request: (call: ServerCall<State>) => unknown,
  respond: sendUnaryData<unknown>,
): void {
  const call = new ServerCall(runtime, method, grpc, (error) => respond(ending(error, call.trailer)));
  const fail = (thrown: unknown) => {
    const error = grpc.cancelled ? call.ended() : publicError(thrown, method.name, runtime.log);
    if (!call.finish(error)) return;
    call.sendHeader();
    respond(ending(error, call.trailer));
  };
  const succeed = (response: unknown) => {
    let bytes: Buffer;
    try {
      if (call.operation === undefined) refuseLargeAnswer(method, response, runtime.maxResponseBytes);
      else refuseLarge(method, response);
      bytes = encode(method, response, runtime.maxResponseBytes);
    } catch (thrown) {
      fail(thrown);
      return;
    }
    if (!call.finish()) return;
    call.sendHeader();
    respond(null, bytes, call.trailer);
  };
  try {
    // Clients that the handler uses find the call's trace context, if it has one, in the storage.
    const result =
      call.trace === undefined
        ? handler(request(call), call)
        : traceStorage.run(call.trace, handler, request(call), call);
    if (result instanceof Promise) result.then(succeed, fail);
    else succeed(result);
  } catch (thrown) {
    fail(thrown);
  }
}

/** Answers with a stream of messages; requests are one message or a stream. */
async function answerMany<State>(
  runtime: Runtime<State>,
  method: AnyMethodDefinition,
  handler: AnyHandler<State>,
  grpc: ResponseStream,
  request: (call: ServerCall<State>) => unknown,
): Promise<void> {
  const call = new ServerCall(runtime, method, grpc, (error) => {
    grpc.emit("error", ending(error, call.trailer));
  });
  const toBytes = (message: unknown) => encode(method, message, runtime.maxResponseBytes);
  const work = () => writeAll(handler(request(call), call) as AsyncIterable<unknown>, toBytes, grpc, call);
  try {
    await (call.trace === undefined ? work() : traceStorage.run(call.trace, work));
    if (!call.finish()) return;
    call.sendHeader();
    grpc.end(call.trailer);
  } catch (thrown) {
    const error = grpc.cancelled ? call.ended() : publicError(thrown, method.name, runtime.log);
    if (!call.finish(error)) return;
    call.sendHeader();
    grpc.emit("error", ending(error, call.trailer));
  }
}

/** The grpc-js handler of a method, by its shape. */
export function grpcHandler<State>(
  runtime: Runtime<State>,
  method: AnyMethodDefinition,
  handler: AnyHandler<State>,
): UntypedHandleCall {
  const toMessage = (bytes: unknown) => decode(method, bytes);
  if (method.responseStream) {
    return (grpc: ResponseStream) => {
      answerMany(runtime, method, handler, grpc, (call) =>
        "request" in grpc ? toMessage(grpc.request) : readAll(grpc, toMessage, call),
      );
    };
  }
  if (method.requestStream) {
    return (grpc: ServerReadableStream<unknown, unknown>, respond: sendUnaryData<unknown>) =>
      answerOnce(runtime, method, handler, grpc, (call) => readAll(grpc, toMessage, call), respond);
  }
  if (method.mode === "job") {
    return (_grpc: ServerUnaryCall<unknown, unknown>, respond: sendUnaryData<unknown>) =>
      respond(ending(notCallable(method), undefined));
  }
  // By hand and in tests all methods are called alike.
  const asyncOnly =
    method.mode === "async" && method.durable !== true && process.env.ROUSE_INSTANCE !== undefined;
  return (grpc: ServerUnaryCall<unknown, unknown>, respond: sendUnaryData<unknown>) =>
    answerOnce(
      runtime,
      method,
      asyncOnly ? onlyAsync(method, handler) : handler,
      grpc,
      () => toMessage(grpc.request),
      respond,
    );
}

function notCallable({ name, path }: AnyMethodDefinition): RouseError {
  const service = path.split("/")[1] ?? "";
  return new RouseError(
    "FAILED_PRECONDITION",
    `${name} is a job by its contract: it is not called but ordered, and each order runs it once in a sandbox of its own. Order it: rouse order ${service}/${name} '{…}'`,
    { reason: "METHOD_IS_JOB" },
  );
}

function onlyAsync<State>(method: AnyMethodDefinition, handler: AnyHandler<State>): AnyHandler<State> {
  return (request, call) => {
    if (call.operation !== undefined) return handler(request, call);
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${method.name} is async by its contract: its callers get an operation, and the result later. Call it by client.async, or by "rouse call --async".`,
      { reason: "METHOD_ASYNC_ONLY" },
    );
  };
}

/*
 * Messages are coded here and not by grpc-js, which tells nobody what was wrong with them.
 */

/** @throws RouseError RESOURCE_EXHAUSTED RESULT_TOO_LARGE. @param most bytes. */
function encode(method: AnyMethodDefinition, message: unknown, most: number): Buffer {
  const bytes = (method.encodeResponse as (message: unknown) => Uint8Array)(message);
  if (bytes.length > most) throw answerTooLarge(method, bytes.length, most);
  // grpc-js copies it into the frame: no need to copy it here as well.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decode(method: AnyMethodDefinition, bytes: unknown): unknown {
  try {
    return method.decodeRequest(bytes as Uint8Array);
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The request of ${method.name} cannot be decoded (${(cause as Error).message}). Caller and service disagree on the contract: compare their versions.`,
      { reason: "REQUEST_MALFORMED", cause },
    );
  }
}
