import { type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { RouseError } from "../../errors.ts";
import { type StatusName, statusCodes } from "../../status.ts";

/** So long an agent may take to restart, ms. */
const AWAY_MS = 60_000;
const AGAIN_MS = 100;

/** The socket is not there, nobody listens on it, or the other side went away half-way: the last, before anybody has begun to read. */
const BROKEN = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"]);

const errorSchema = z.object({
  error: z.object({
    status: z.string(),
    reason: z.string(),
    message: z.string(),
  }),
});

interface Asked {
  readonly method: "GET" | "PUT" | "POST";
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

/**
 * Speaks HTTP on the socket that a job's host serves for it. When the host's agent restarts meanwhile, what was asked is asked again, which
 * does no harm; it throws what the gateway says, or UNAVAILABLE JOB_GATEWAY_LOST when nobody has answered for a minute.
 */
export class GatewayClient {
  readonly #socket: string;
  readonly #awayMs: number;

  /** @param socket path, or "unix:/path". @param awayMs so long the host may not answer. */
  constructor(socket: string, awayMs = AWAY_MS) {
    this.#socket = socket.replace(/^unix:/, "");
    this.#awayMs = awayMs;
  }

  bytes(asked: Asked): Promise<Buffer> {
    return this.#patiently(performance.now() + this.#awayMs, async () => readAll(await this.#send(asked)));
  }

  async json(asked: Asked): Promise<unknown> {
    return JSON.parse((await this.bytes(asked)).toString("utf8"));
  }

  /** A content as it comes in; goes on where it was when it breaks off. */
  async download(path: string): Promise<Readable> {
    const first = await this.#patiently(performance.now() + this.#awayMs, () =>
      this.#send({ method: "GET", path }),
    );
    const whole = Readable.from(this.#whole(path, first), { objectMode: false });
    // Nobody may ever begin to read.
    return whole.once("close", () => first.destroy());
  }

  async *#whole(path: string, first: IncomingMessage): AsyncGenerator<Buffer> {
    let answer = first;
    let at = 0;
    let until = performance.now() + this.#awayMs;
    for (;;) {
      try {
        for await (const chunk of answer as AsyncIterable<Buffer>) {
          at += chunk.length;
          yield chunk;
          until = performance.now() + this.#awayMs;
        }
        return;
      } catch (thrown) {
        if (!isBroken(thrown) || performance.now() > until) throw lost(thrown);
        await sleep(AGAIN_MS);
      } finally {
        answer.destroy();
      }
      const headers = { range: `bytes=${at}-` };
      answer = await this.#patiently(until, () => this.#send({ method: "GET", path, headers }));
    }
  }

  async #patiently<T>(until: number, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (thrown) {
        if (!isBroken(thrown) || performance.now() > until)
          throw thrown instanceof RouseError ? thrown : lost(thrown);
        await sleep(AGAIN_MS);
      }
    }
  }

  async #send({ method, path, headers = {}, body }: Asked): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({ socketPath: this.#socket, method, path, headers, agent: false }, resolve);
    sent.on("error", reject);
    sent.end(body);
    const answer = await promise;
    if ((answer.statusCode ?? 500) < 400) return answer;
    throw errorOf(await readAll(answer), answer.statusCode ?? 500);
  }
}

function isBroken(thrown: unknown): boolean {
  return BROKEN.has((thrown as NodeJS.ErrnoException).code ?? "");
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
