import { Agent, type IncomingMessage, type RequestOptions, request as send } from "node:http";
import type { Readable } from "node:stream";
import { RouseError } from "../../errors.ts";
import { statusName } from "../../status.ts";
import { CALLER_HEADER } from "../../usage/caller.ts";

/** Tells callers of the mesh in which file of orders' disk a content is, URI-encoded. */
export const FILE_HEADER = "x-rouse-file";

/** How a request of contents is made. */
export interface ContentRequest {
  readonly method: "GET" | "HEAD" | "PUT";
  /** Such as "/content/sha256-…". */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Contents of artifacts over plain HTTP, which carries gigabytes better than messages do. */
export class ContentHttp {
  readonly #where: RequestOptions;
  readonly #agent = new Agent({ keepAlive: true, scheduling: "lifo" });

  /** @param target "host:port" or "unix:/path". */
  constructor(target: string) {
    const [, host = "", port = ""] = /^(?:dns:(?:\/\/\/)?)?(.*):(\d+)$/.exec(target) ?? [];
    this.#where = target.startsWith("unix:")
      ? { socketPath: target.slice("unix:".length) }
      : { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
  }

  /**
   * The answer, once its head is there and good.
   *
   * @throws RouseError what the server says; UNAVAILABLE CONTENT_UNREACHABLE where it cannot be asked.
   */
  async get(request: ContentRequest): Promise<IncomingMessage> {
    const { response } = this.#send(request);
    const answer = await response;
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
    throw errorOf(answer.statusCode ?? 0, await text(answer));
  }

  /**
   * Sends a body, and resolves to the answer's JSON. A server that refuses need not read all of it.
   *
   * @throws RouseError as {@link get}; what the body throws.
   */
  async put(request: ContentRequest, body: Uint8Array | Readable, bytes: number): Promise<unknown> {
    const headers = { ...request.headers, "content-length": String(bytes) };
    const { request: out, response } = this.#send({ ...request, headers });
    let broken: unknown;
    if (body instanceof Uint8Array) out.end(body);
    else {
      body.once("error", (error) => {
        broken = error;
        out.destroy();
      });
      body.pipe(out);
    }
    try {
      const answer = await response;
      const said = await text(answer);
      if (answer.statusCode !== 200) throw errorOf(answer.statusCode ?? 0, said);
      return JSON.parse(said);
    } catch (error) {
      throw broken ?? error;
    } finally {
      if (!(body instanceof Uint8Array)) body.destroy();
    }
  }

  /** The file in which orders has it, where it has one and says so; only who shares its disk finds it there. */
  async fileOf(request: ContentRequest): Promise<string | undefined> {
    const answer = await this.#send(request).response;
    answer.resume();
    const file = answer.headers[FILE_HEADER];
    return answer.statusCode === 200 && typeof file === "string" ? decodeURIComponent(file) : undefined;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send({ method, path, headers, signal }: ContentRequest) {
    const caller = process.env.ROUSE_SERVICE;
    const request = send({
      ...this.#where,
      agent: this.#agent,
      method,
      path,
      headers: { ...(caller ? { [CALLER_HEADER]: caller } : {}), ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", (error) => reject(signal?.aborted ? error : unreachable(error)));
    });
    response.catch(() => undefined);
    if (method !== "PUT") request.end();
    return { request, response };
  }
}

/** The server's error; Envoy's own are plain text. Read by hand: a schema library would be loaded at every service's start. */
function errorOf(status: number, said: string): RouseError {
  let body: Partial<Record<"code" | "reason" | "message" | "metadata", unknown>> = {};
  try {
    body = Object(JSON.parse(said));
  } catch {
    // It is told as it is.
  }
  const { code, reason, message } = body;
  if (typeof code === "number" && typeof reason === "string" && typeof message === "string") {
    const facts = Object.entries(Object(body.metadata)).map(([key, value]) => [key, String(value)]);
    return new RouseError(statusName(code) ?? "UNKNOWN", message, {
      reason,
      metadata: Object.fromEntries(facts),
    });
  }
  const what = status >= 500 ? "UNAVAILABLE" : "UNKNOWN";
  return new RouseError(what, `Contents of artifacts: HTTP status ${status}: ${said.slice(0, 200).trim()}`);
}

/** A connection that was not had, or broke. */
export function unreachable(cause: unknown): RouseError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new RouseError(
    "UNAVAILABLE",
    `Contents of artifacts cannot be had (${said}). What has arrived is kept; it goes on from there.`,
    { reason: "CONTENT_UNREACHABLE", cause },
  );
}

async function text(answer: IncomingMessage): Promise<string> {
  let out = "";
  answer.setEncoding("utf8");
  try {
    for await (const chunk of answer) out += chunk;
  } catch (error) {
    throw unreachable(error);
  }
  return out;
}
