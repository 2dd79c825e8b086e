import type { AnyMethodDefinition, ServiceDefinition } from "../../definition.ts";
import { RouseError } from "../../errors.ts";
import { publicError } from "../failure.ts";
import { defaultLog } from "../log.ts";
import { refuseLarge } from "../result-size.ts";
import type { JobCall, ServeOptions, StatefulServeOptions } from "../types.ts";
import { GatewayClient } from "./gateway-client.ts";
import { jobSchema, OwnJob } from "./own-job.ts";

type Options = ServeOptions | StatefulServeOptions<unknown>;
type Handlers = Readonly<Record<string, unknown>>;

/**
 * Runs the job that this process was started for, tells the host what came of it, and ends the process: with 0 when there is a
 * result, else with 1.
 *
 * @param socket of the host's gateway, "unix:/path".
 */
export async function runJob(
  socket: string,
  definition: ServiceDefinition,
  handlers: Handlers,
  options: Options,
): Promise<never> {
  const gateway = new GatewayClient(socket);
  const log = options.log ?? defaultLog(definition.name);
  try {
    const response = await work(gateway, definition, handlers, options);
    await gateway.bytes({
      method: "POST",
      path: "/v1/result",
      headers: { "content-type": "application/protobuf" },
      body: response,
    });
  } catch (thrown) {
    const error = explain(thrown, definition.name, log);
    process.stderr.write(`${error.message} (${error.reason})\n`);
    const { status, reason, message, metadata } = error;
    await gateway
      .bytes({
        method: "POST",
        path: "/v1/error",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ status, reason, message, metadata }),
      })
      // The exit code and the line above tell it as well.
      .catch(() => undefined);
    return end(1);
  }
  return end(0);
}

/** Output to a pipe is not waited for when a process exits. */
async function end(code: number): Promise<never> {
  const flushed = (stream: NodeJS.WriteStream) => new Promise((resolve) => stream.write("", resolve));
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

async function work(
  gateway: GatewayClient,
  definition: ServiceDefinition,
  handlers: Handlers,
  options: Options,
): Promise<Uint8Array> {
  const [answer, bytes] = await Promise.all([
    gateway.json({ method: "GET", path: "/v1/job" }),
    gateway.bytes({ method: "GET", path: "/v1/request" }),
  ]);
  const facts = jobSchema.parse(answer);
  const [name, method] = methodOf(definition, facts.method);
  const handler = handlers[name];
  if (typeof handler !== "function") {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${definition.name} has no handler "${name}", and this job is for it. Give a function for it.`,
      { reason: "HANDLER_MISSING" },
    );
  }
  const stopped = new AbortController();
  const stop = () =>
    stopped.abort(new RouseError("CANCELLED", "The job was told to stop.", { reason: "JOB_STOPPED" }));
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const request = method.decodeRequest(bytes);
  const state = "state" in options ? await options.state() : undefined;
  const job = new OwnJob(facts, gateway, process.env.TMPDIR || "/tmp");
  const call: JobCall<unknown> = { state, job, deadline: facts.deadlineMs, signal: stopped.signal };
  try {
    const response: unknown = await handler.call(handlers, request, call);
    refuseLarge(method, response);
    return (method.encodeResponse as (message: unknown) => Uint8Array)(response);
  } catch (thrown) {
    throw stopped.signal.aborted ? stopped.signal.reason : thrown;
  } finally {
    await job.tellProgress();
    if ("state" in options) await options.close?.(state);
  }
}

function methodOf(definition: ServiceDefinition, wanted: string): [string, AnyMethodDefinition] {
  const found = Object.entries(definition.methods).find(([, { name }]) => name === wanted);
  if (found !== undefined && found[1].mode === "job") return found;
  const what = found === undefined ? "does not have" : "does not have as a job";
  throw new RouseError(
    "FAILED_PRECONDITION",
    `The order is for ${wanted}, which the program's own ${definition.name} ${definition.version} ${what}. Register the version again with the program that belongs to its contract.`,
    { reason: "JOB_METHOD_UNKNOWN" },
  );
}

/** A full scratch space is told by its name, whatever part of the handler came across it. */
function explain(thrown: unknown, service: string, log: Parameters<typeof publicError>[2]): RouseError {
  if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC") {
    return new RouseError(
      "RESOURCE_EXHAUSTED",
      `The job's scratch space is full (${thrown.message}). Raise job.disk in the contract, or stream what is large.`,
      { reason: "JOB_DISK_FULL", cause: thrown },
    );
  }
  return publicError(thrown, service, log);
}
