import type { ClientDuplexStream, ClientReadableStream, ClientWritableStream } from "@grpc/grpc-js";

type Writing = ClientWritableStream<unknown> | ClientDuplexStream<unknown, unknown>;

/**
 * Sends requests as fast as the server reads them. Ends when the call does, whoever ended it.
 *
 * @throws what the caller's iterable throws.
 */
export async function sendRequests(requests: AsyncIterable<unknown>, call: Writing): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  let over = false;
  let wake = () => {};
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const end = () => {
    if (over) return;
    over = true;
    // A generator that waits for something returns when that has come; nobody is there for its errors.
    iterator.return?.().catch(() => {});
    wake();
    close();
  };
  for (const event of ["status", "error", "close"]) call.once(event, end);
  const pump = async () => {
    while (!over) {
      const next = await iterator.next();
      if (over) return;
      if (next.done) {
        call.end();
        return;
      }
      if (call.write(next.value)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        call.once("drain", resolve);
      });
    }
  };
  await Promise.race([pump(), closed]);
}

/** Reads the answers of a call, and sends its requests meanwhile. Leaving the loop cancels the call. */
export async function* readResponses(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  requests: AsyncIterable<unknown> | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, undefined> {
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  let sendError: { thrown: unknown } | undefined;
  if (requests !== undefined && "write" in call) {
    sendRequests(requests, call).catch((thrown) => {
      sendError = { thrown };
      call.cancel();
    });
  }
  // Errors that come when nobody reads any more have no one to tell.
  call.on("error", () => {});
  try {
    yield* call.iterator({ destroyOnReturn: false });
  } catch (thrown) {
    throw sendError === undefined ? thrown : sendError.thrown;
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}
