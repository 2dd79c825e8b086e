import type { ServerWritableStream } from "@grpc/grpc-js";
import { statusObject } from "../sdk/answer.ts";

/** Answers a call with the pieces of a bundle, at the caller's pace; what reading them throws becomes the call's status. */
export async function sendBundle<Request>(
  call: ServerWritableStream<Request, { chunk: Buffer }>,
  pieces: AsyncIterable<Buffer>,
): Promise<void> {
  const gone = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
  try {
    for await (const chunk of pieces) {
      if (call.cancelled) return;
      if (call.write({ chunk })) continue;
      const drained = new Promise<void>((resolve) => call.once("drain", () => resolve()));
      await Promise.race([drained, gone]);
    }
    call.end();
  } catch (thrown) {
    call.emit("error", statusObject(thrown));
  }
}
