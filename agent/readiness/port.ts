import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What was found behind a port. */
export type PortAnswer = { readonly kind: "http2" } | { readonly kind: "other"; readonly words: string };

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  // An empty SETTINGS frame: length 0, type 4, no flags, stream 0 (RFC 9113, section 3.4).
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** How long an open port may stay silent before it is asked anew, ms. */
const silenceMs = 2_000;

/**
 * Waits until something listens, trying every 5 ms at first and every 100 ms at last, and says whether it speaks
 * HTTP/2. For images without our SDK, which cannot announce themselves.
 *
 * @throws the signal's reason when it is aborted.
 */
export async function awaitPort(host: string, port: number, signal: AbortSignal): Promise<PortAnswer> {
  for (let delayMs = 5; ; delayMs = Math.min(delayMs * 1.5, 100)) {
    const answer = await ask(host, port, signal);
    signal.throwIfAborted();
    if (answer !== undefined) return answer;
    await sleep(delayMs, undefined, { signal });
  }
}

/** Undefined: nobody listens, or nobody has said anything yet. */
function ask(host: string, port: number, signal: AbortSignal): Promise<PortAnswer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: PortAnswer | undefined) => {
      signal.removeEventListener("abort", stop);
      socket.destroy();
      resolve(answer);
    };
    const stop = () => done(undefined);
    signal.addEventListener("abort", stop, { once: true });
    let got = Buffer.alloc(0);
    socket.setTimeout(silenceMs, stop);
    socket.on("connect", () => socket.write(preface));
    socket.on("error", stop);
    socket.on("close", () => done(got.length > 0 ? judge(got) : undefined));
    socket.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      // Nine bytes are an HTTP/2 frame's head.
      if (got.length >= 9) done(judge(got));
    });
  });
}

function judge(bytes: Buffer): PortAnswer {
  if (bytes.length >= 9 && bytes[3] === 4) return { kind: "http2" };
  const line = bytes.toString("latin1").split(/[\r\n]/)[0] ?? "";
  const words = line.replace(/[^\x20-\x7e]/g, ".").slice(0, 60);
  return { kind: "other", words };
}
