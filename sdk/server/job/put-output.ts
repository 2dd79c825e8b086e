import { createHash, randomUUID } from "node:crypto";
import type { GatewayClient } from "./gateway-client.ts";

/** So much is kept until the host has it, and sent again when it went away meanwhile; bytes. */
const PIECE_BYTES = 4 * 2 ** 20;

export type Content = Uint8Array | string | AsyncIterable<Uint8Array | string>;

/**
 * Puts an output out: in one request when it is short or in memory anyway, else in pieces, of which the next one is gathered while
 * one is under way.
 *
 * @returns what the gateway answers in the end.
 * @throws RouseError as {@link GatewayClient}, and what the content throws.
 */
export async function putOutput(
  gateway: GatewayClient,
  name: string,
  content: Content,
  mediaType: string,
): Promise<unknown> {
  const upload = randomUUID();
  const put = (body: Uint8Array | string, query = "") =>
    gateway.json({
      method: "PUT",
      path: `/v1/outputs/${encodeURIComponent(name)}${query}`,
      headers: { "content-type": mediaType },
      body,
    });
  if (typeof content === "string" || content instanceof Uint8Array) return put(content);
  const hash = createHash("sha256");
  let offset = 0;
  let last: Buffer | undefined;
  let sending: Promise<unknown> | undefined;
  const failing = Promise.withResolvers<never>();
  // Nobody may be there to be told any more.
  failing.promise.catch(() => undefined);
  const source = pieces(content);
  try {
    for (;;) {
      // What cannot be sent is told at once, however long the next piece takes.
      const { done, value: piece } = await Promise.race([source.next(), failing.promise]);
      if (done) break;
      hash.update(piece);
      if (last !== undefined) {
        await sending;
        sending = put(last, `?upload=${upload}&offset=${offset}`);
        sending.catch(failing.reject);
        offset += last.length;
      }
      last = piece;
    }
  } finally {
    source.return(undefined).catch(() => undefined);
  }
  await sending;
  if (last === undefined || offset === 0) return put(last ?? "");
  return put(last, `?upload=${upload}&offset=${offset}&sha256=${hash.digest("hex")}`);
}

/** Content in pieces of one size; the last may be shorter. */
async function* pieces(content: AsyncIterable<Uint8Array | string>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let held = 0;
  for await (const given of content) {
    const chunk = typeof given === "string" ? Buffer.from(given) : given;
    for (let at = 0; at < chunk.length; ) {
      // A copy: whoever gave it may use its memory again.
      const part = Buffer.from(chunk.subarray(at, at + PIECE_BYTES - held));
      parts.push(part);
      held += part.length;
      at += part.length;
      if (held < PIECE_BYTES) continue;
      yield Buffer.concat(parts);
      parts = [];
      held = 0;
    }
  }
  if (held > 0) yield Buffer.concat(parts);
}
