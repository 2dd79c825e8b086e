import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { RouseError } from "../../errors.ts";
import { type StatusName, statusCodes } from "../../status.ts";

/** So long an agent may take to restart, ms. */
const AWAY_MS = 60_000;
const AGAIN_MS = 100;

/** The socket is not there, or nobody listens on it: nothing was sent. */
const NOT_SENT = new Set(["ENOENT", "ECONNREFUSED"]);
/** The other side went away half-way. */
const BROKEN = new Set([...NOT_SENT, "ECONNRESET", "EPIPE"]);

const errorSchema = z.object({
  error: z.object({
    status: z.string(),
    reason: z.string(),
    message: z.string(),
  }),
});

/** A body; one that can be sent again is sent again when the agent restarts meanwhile. */
export type Body = Uint8Array | string | AsyncIterable<Uint8Array | string>;

interface Asked {
  readonly method: "GET" | "PUT" | "POST";
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Body;
}

/** Speaks HTTP on the socket that a job's host serves for it. */
export class GatewayClient {
  readonly #socket: string;

  /** @param socket path, or "unix:/path". */
  constructor(socket: string) {
    this.#socket = socket.replace(/^unix:/, "");
  }

  /** @throws RouseError as the gateway says, or UNAVAILABLE JOB_GATEWAY_LOST. */
  async stream(asked: Asked): Promise<IncomingMessage> {
    const once = typeof asked.body === "object" && !(asked.body instanceof Uint8Array);
    const until = performance.now() + AWAY_MS;
    for (;;) {
      try {
        return await this.#send(asked);
      } catch (thrown) {
        const code = (thrown as NodeJS.ErrnoException).code ?? "";
        const again = (once ? NOT_SENT : BROKEN).has(code) && performance.now() < until;
        if (!again) throw thrown instanceof RouseError ? thrown : lost(thrown);
        await sleep(AGAIN_MS);
      }
    }
  }

  async bytes(asked: Asked): Promise<Buffer> {
    return readAll(await this.stream(asked));
  }

  async json(asked: Asked): Promise<unknown> {
    return JSON.parse((await this.bytes(asked)).toString("utf8"));
  }

  async #send({ method, path, headers = {}, body }: Asked): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({ socketPath: this.#socket, method, path, headers, agent: false }, resolve);
    sent.on("error", reject);
    const sending =
      body === undefined || typeof body === "string" || body instanceof Uint8Array
        ? sent.end(body)
        : pipeline(Readable.from(body, { objectMode: false }), sent).catch((error: unknown) => {
            // An answer that came before the end of the body says why it was not wanted.
            sent.destroy();
            reject(error);
          });
    const answer = await promise;
    // Nobody waits for what is left to be sent to one that has refused it.
    void sending;
    if ((answer.statusCode ?? 500) < 400) return answer;
    throw errorOf(await readAll(answer), answer.statusCode ?? 500);
  }
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function errorOf(bytes: Buffer, code: number): RouseError {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    // Not ours: told as it is.
  }
  const parsed = errorSchema.safeParse(value);
  if (!parsed.success)
    return new RouseError("UNKNOWN", `The host answered the job with HTTP status ${code}.`);
  const { status, reason, message } = parsed.data.error;
  return new RouseError(isStatus(status) ? status : "UNKNOWN", message, { reason });
}

function isStatus(text: string): text is StatusName {
  return Object.hasOwn(statusCodes, text);
}

function lost(cause: unknown): RouseError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RouseError(
    "UNAVAILABLE",
    `The host of this job does not answer on its socket (${why}). Order the job again; with job.retries in the contract it is tried again by itself.`,
    { reason: "JOB_GATEWAY_LOST", cause },
  );
}
