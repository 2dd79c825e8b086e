import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import type { RouseError } from "../errors.ts";

/** The readable side of a grpc-js call. Its iterator stays within Node's own buffer: 16 messages. */
export interface RequestStream {
  readonly cancelled: boolean;
  iterator(options: { destroyOnReturn: boolean }): AsyncIterableIterator<unknown>;
}

/** The writable side of a grpc-js call. */
export type ResponseStream = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/**
 * The requests of a stream. A handler may leave early without harm to its answer.
 *
 * @throws RouseError CANCELLED or DEADLINE_EXCEEDED from the iterator when the call ends before the stream does.
 */
export async function* readAll(
  stream: RequestStream,
  decode: (bytes: unknown) => unknown,
  call: { ended(): RouseError },
): AsyncGenerator<unknown, void, undefined> {
  try {
    // Destroying a duplex stream would cut the answer as well.
    for await (const bytes of stream.iterator({ destroyOnReturn: false })) yield decode(bytes);
  } catch (thrown) {
    throw stream.cancelled ? call.ended() : thrown;
  }
  // Node's HTTP/2 client cancels by END_STREAM and RST_STREAM in one go. Seen between the two, half an upload would pass
  // for a whole one, so the end counts only when a turn of the event loop has brought no cancellation.
  await new Promise((resolve) => setImmediate(resolve));
  if (stream.cancelled) throw call.ended();
}

/**
 * Writes messages as fast as the caller reads them. When the call ends first, the handler's iterator is told to
 * return and the promise rejects at once: a handler that hangs elsewhere holds nothing up.
 */
export function writeAll(
  messages: AsyncIterable<unknown>,
  encode: (message: unknown) => Buffer,
  stream: ResponseStream,
  call: { ended(): RouseError; sendHeader(): void },
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  return new Promise((resolve, reject) => {
    const leave = () => {
      reject(call.ended());
      // A generator that waits for something returns when that has come; nobody is there for its errors.
      iterator.return?.().catch(() => {});
    };
    stream.once("cancelled", leave);
    pump(iterator, encode, stream, call)
      .then(resolve, reject)
      .finally(() => stream.removeListener("cancelled", leave));
    if (stream.cancelled) leave();
  });
}

async function pump(
  iterator: AsyncIterator<unknown>,
  encode: (message: unknown) => Buffer,
  stream: ResponseStream,
  call: { sendHeader(): void },
): Promise<void> {
  for (;;) {
    const next = await iterator.next();
    if (next.done || stream.destroyed) return;
    const bytes = encode(next.value);
    call.sendHeader();
    if (!stream.write(bytes)) await drained(stream);
  }
}

/** Resolves when the stream takes more, or never will. */
function drained(stream: ResponseStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.removeListener("drain", done);
      stream.removeListener("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
    if (stream.destroyed) done();
  });
}
