import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { z } from "zod";
import type { JobError, JobOutput } from "#proto/rouse/agent/v1/jobs.ts";
import { RouseError } from "../../sdk/errors.ts";
import { type StatusName, statusCodes } from "../../sdk/status.ts";
import type { ArtifactClient, NewArtifact } from "./artifact-client.ts";
import { readBody, readJson } from "./body.ts";
import { SOCKET } from "./container.ts";
import { Pieces } from "./pieces.ts";
import { pieceTooLarge, refused, tooLarge, tooMuch, unknownPath } from "./refusals.ts";
import { type CheckedJob, checkName, MOST_BYTES } from "./spec.ts";

/** Connections that a job may have at one time; more wait. */
const MOST_CONNECTIONS = 64;
const MOST_JSON = 64 * 1024;
const MOST_OUTPUTS = 1_000;
const MOST_NOTES = 64;
const LONGEST_NOTE = 1_000;
/** A unix socket's path may have 107 bytes. */
const LONGEST_SOCKET = 107;

const progressSchema = z.object({
  fraction: z.number().min(0).max(1),
  note: z
    .string()
    .default("")
    .transform((note) => note.slice(0, 500)),
});
const notesSchema = z
  .record(z.string(), z.string().max(LONGEST_NOTE, `a value has ${LONGEST_NOTE} characters at most`))
  .refine(
    (notes) => Object.keys(notes).every((key) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(key)),
    'a key has 1 to 64 letters, digits, ".", "_" and "-", and a letter or digit first',
  );
/** The query of a piece of an output: the last one has the digest of all. */
const pieceSchema = z.strictObject({
  upload: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'up to 64 letters, digits, "-" and "_"'),
  offset: z.coerce.number().int().min(0),
  sha256: z.string().default(""),
});
const errorSchema = z.object({
  status: z.enum(Object.keys(statusCodes) as [StatusName, ...StatusName[]]).default("UNKNOWN"),
  reason: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,99}$/, "reason is upper snake case, such as SAMPLE_EMPTY")
    .default("JOB_FAILED"),
  message: z
    .string()
    .min(1)
    .transform((message) => message.slice(0, 10_000)),
  metadata: z.record(z.string(), z.string()).default({}),
});

/** What a job says of itself, to whoever keeps it. */
export interface JobVoice {
  readonly id: string;
  readonly spec: CheckedJob;
  /** When its time is over, ms since 1970. */
  readonly deadlineMs: number;
  /** What it has put out and noted so far. */
  readonly outputs: readonly JobOutput[];
  readonly metadata: Readonly<Record<string, string>>;
  progress(fraction: number, note: string): void;
  note(notes: Readonly<Record<string, string>>): void;
  output(output: JobOutput): void;
  result(result: { readonly bytes: Buffer } | { readonly json: string }): Promise<void>;
  failed(error: JobError): Promise<void>;
  /** What it has put out so far, also of what was never whole. */
  readonly writtenBytes: number;
  /**
   * A content could not be moved whole, whatever the job makes of that.
   *
   * @param content URI of what it reads, or name of what it puts out.
   */
  stumbled(content: string, error: RouseError): void;
  /** The rest of a content has been moved to its end. */
  streamed(content: string): void;
  /** Whether contents are moved that the job cannot move again when this agent ends. */
  streaming(streams: boolean): void;
  moved(bytes: { readonly read?: number; readonly written?: number }): void;
}

/** The only thing that a job reaches: plain HTTP on a socket of its own, which gives it what is its own. */
export class Gateway {
  readonly #job: JobVoice;
  readonly #artifacts: ArtifactClient;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #pieces: Pieces;
  #streams = 0;

  constructor(job: JobVoice, artifacts: ArtifactClient) {
    this.#job = job;
    this.#pieces = new Pieces(job.id, artifacts);
    this.#artifacts = artifacts;
    // An upload takes as long as it takes.
    this.#server = createServer(
      { requestTimeout: 0 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** Serves in a folder. @throws RouseError FAILED_PRECONDITION JOB_SOCKET_UNUSABLE. */
  async listen(folder: string): Promise<void> {
    const path = join(folder, SOCKET);
    rmSync(path, { force: true });
    if (Buffer.byteLength(path) > LONGEST_SOCKET)
      throw unusable(path, `its path is longer than ${LONGEST_SOCKET} bytes`);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) => reject(unusable(path, error.message)));
      this.#server.listen(path, resolve);
    });
    // The job is another user; nobody else gets into the folders above.
    chmodSync(path, 0o666);
  }

  close(): void {
    this.#closing.abort();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Closes, and gives up what the job has put out by half. */
  async end(): Promise<void> {
    this.close();
    await this.#pieces.abandon();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response);
    } catch (thrown) {
      const { status, reason, message } = RouseError.from(thrown);
      if (response.headersSent) {
        // Half an answer must not pass for a whole one; what could be read arrives, so that who goes on there is told why it cannot.
        response.socket?.destroySoon();
        return;
      }
      // What is left of the body would be taken for the next request.
      response.setHeader("connection", "close");
      send(response, httpCodes[status] ?? 500, { error: { status, reason, message } });
      request.resume();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const job = this.#job;
    const { method = "", url = "" } = request;
    const [, version, what = "", ...rest] = (url.split("?")[0] ?? "").split("/");
    const name = rest.length === 1 ? decode(rest[0] ?? "") : undefined;
    if (version !== "v1") throw unknownPath(method, url);
    switch (`${method} ${what}${name === undefined ? "" : "/"}`) {
      case "GET job":
        return send(response, 200, facts(job));
      case "GET request":
        response.setHeader("content-type", "application/protobuf");
        response.end(job.spec.request);
        return;
      case "GET metadata":
        return send(response, 200, { ...job.spec.metadata, ...job.metadata });
      case "GET inputs":
        return send(response, 200, job.spec.inputs);
      case "GET outputs":
        return send(response, 200, job.outputs);
      case "GET inputs/":
        return this.#stream(this.#input(name ?? ""), (uri) => this.#download(uri, request, response));
      case "GET artifacts/":
        return this.#stream(this.#own(name ?? ""), (uri) => this.#download(uri, request, response));
      case "PUT outputs/":
        return this.#output(name ?? "", request, response);
      case "POST metadata": {
        const notes = await readJson(request, MOST_JSON, notesSchema);
        if (Object.keys({ ...job.metadata, ...notes }).length > MOST_NOTES)
          throw refused(`a job may note ${MOST_NOTES} things at most`);
        job.note(notes);
        return send(response, 200, {});
      }
      case "POST progress": {
        const { fraction, note } = await readJson(request, MOST_JSON, progressSchema);
        job.progress(fraction, note);
        return send(response, 200, {});
      }
      case "POST result": {
        const bytes = await readBody(request, MOST_BYTES, tooLarge);
        const isJson = /^application\/json\b/.test(request.headers["content-type"] ?? "");
        await job.result(isJson ? { json: checkJson(bytes.toString("utf8")) } : { bytes });
        return send(response, 200, {});
      }
      case "POST error": {
        const { status, ...error } = await readJson(request, MOST_JSON, errorSchema);
        await job.failed({ code: statusCodes[status], ...error, hostFault: false });
        return send(response, 200, {});
      }
      default:
        throw unknownPath(method, url);
    }
  }

  #input(name: string): string {
    const uri = Object.hasOwn(this.#job.spec.inputs, name) ? this.#job.spec.inputs[name] : undefined;
    if (uri !== undefined) return uri;
    const there = Object.keys(this.#job.spec.inputs).join(", ") || "none";
    throw new RouseError(
      "NOT_FOUND",
      `This job has no input ${JSON.stringify(name.slice(0, 120))}. It has ${there}; name it in the order.`,
      { reason: "JOB_INPUT_UNKNOWN" },
    );
  }

  /** An artifact that the job was given, or has made. */
  #own(uri: string): string {
    const { spec, outputs } = this.#job;
    const bare = (given: string) => given.split("?")[0];
    const known = [...Object.values(spec.inputs), ...outputs.map((output) => output.uri)];
    const found = known.find((one) => bare(one) === bare(uri));
    if (found !== undefined) return found;
    throw new RouseError(
      "PERMISSION_DENIED",
      `${JSON.stringify(uri.slice(0, 120))} is neither an input of this job nor an output of its own. Name it among the order's inputs.`,
      { reason: "JOB_ARTIFACT_FOREIGN" },
    );
  }

  async #download(uri: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const bytes = await this.#artifacts.size(uri);
    if (offset > bytes) throw refused(`the artifact has ${bytes} bytes, and the range begins at ${offset}`);
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    const chunks = this.#read(uri, offset, signal);
    // What cannot be read at all is told so before anything else is.
    let next = await chunks.next();
    response.writeHead(offset > 0 ? 206 : 200, {
      "content-type": "application/octet-stream",
      "content-length": bytes - offset,
      ...(offset > 0 && { "content-range": `bytes ${offset}-${bytes - 1}/${bytes}` }),
    });
    for (; next.done !== true; next = await chunks.next())
      if (!response.write(next.value)) await once(response, "drain", { signal });
    response.end();
  }

  async *#read(uri: string, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#artifacts.read(uri, offset, signal)) {
        this.#job.moved({ read: chunk.length });
        yield chunk;
      }
    } catch (thrown) {
      if (!signal.aborted) this.#job.stumbled(uri, RouseError.from(thrown));
      throw thrown;
    }
  }

  async #output(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkName("output", name);
    const { spec, outputs, id } = this.#job;
    if (outputs.length >= MOST_OUTPUTS && !outputs.some((one) => one.name === name))
      throw refused(`a job may have ${MOST_OUTPUTS} outputs at most`);
    const { service, version } = spec.program;
    const made: NewArtifact = {
      name,
      mediaType: request.headers["content-type"] ?? "application/octet-stream",
      metadata: { service, version, method: spec.method, job: id },
      holder: spec.holder,
      owner: service,
    };
    const query = new URLSearchParams(request.url?.split("?")[1]);
    if (query.size === 0) return this.#stream(name, () => this.#upload(made, request, response));
    const piece = pieceSchema.safeParse(Object.fromEntries(query));
    if (!piece.success)
      throw refused(
        piece.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "),
      );
    const bytes = await readBody(request, MOST_BYTES, pieceTooLarge);
    this.#count(name, bytes.length);
    const adding = this.#pieces.add({ ...piece.data, bytes }, made).catch((thrown: unknown) => {
      // It will come again.
      this.#job.moved({ written: -bytes.length });
      throw thrown;
    });
    const { stored, added, uri } = await adding;
    // What came twice counts once.
    this.#job.moved({ written: added - bytes.length });
    if (uri === "") return send(response, 200, { offset: stored });
    this.#keep({ name, uri, bytes: stored, mediaType: made.mediaType }, response);
  }

  async #upload(made: NewArtifact, request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body that broke off is no output: its error is thrown here.
    const { uri, bytes } = await this.#artifacts.write(this.#counted(made.name, request), made);
    this.#keep({ name: made.name, uri, bytes, mediaType: made.mediaType }, response);
  }

  async *#counted(name: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      this.#count(name, chunk.length);
      yield chunk;
    }
  }

  #count(name: string, bytes: number): void {
    const { spec, writtenBytes } = this.#job;
    if (writtenBytes + bytes > spec.outputBytes) {
      const error = tooMuch(spec);
      this.#job.stumbled(name, error);
      throw error;
    }
    this.#job.moved({ written: bytes });
  }

  #keep(output: JobOutput, response: ServerResponse): void {
    this.#job.output(output);
    send(response, 200, output);
  }

  /** Moves a content of which the other side has not kept what it has sent, or where it was. */
  async #stream(content: string, move: (content: string) => Promise<void>): Promise<void> {
    this.#streams += 1;
    if (this.#streams === 1) this.#job.streaming(true);
    try {
      await move(content);
      this.#job.streamed(content);
    } finally {
      this.#streams -= 1;
      // The next agent must know of what this one cuts off.
      if (this.#streams === 0 && !this.#closing.signal.aborted) this.#job.streaming(false);
    }
  }
}

function facts({ id, spec, deadlineMs }: JobVoice): object {
  const { service, version } = spec.program;
  const { method, attempt, inputs, metadata, requestJson } = spec;
  const request: unknown = requestJson === "" ? undefined : JSON.parse(requestJson);
  return { id, service, version, method, attempt, inputs, metadata, deadlineMs, request };
}

function send(response: ServerResponse, code: number, value: unknown): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(`${JSON.stringify(value)}\n`);
}

const httpCodes: Readonly<Partial<Record<StatusName, number>>> = {
  INVALID_ARGUMENT: 400,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 412,
  RESOURCE_EXHAUSTED: 413,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checkJson(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    throw refused(
      `the result is not JSON (${(error as Error).message}). Correct it, or send it as application/protobuf`,
    );
  }
  return text;
}

function unusable(path: string, why: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The socket of a job cannot be had at ${path}: ${why}. Choose a data folder with a shorter path that sockets can be in: --data`,
    { reason: "JOB_SOCKET_UNUSABLE" },
  );
}
