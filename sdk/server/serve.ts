import { Server } from "@grpc/grpc-js";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import type { DurableMethod } from "../durable/stream.ts";
import { RouseError } from "../errors.ts";
import { countCalls } from "../usage/reporter.ts";
import { Health } from "./health.ts";
import { type Listener, startListening } from "./listener.ts";
import { defaultLog } from "./log.ts";
import { notifyReady } from "./notify.ts";
import { addReflection } from "./reflection.ts";
import type { Runtime } from "./runtime.ts";
import { inSession } from "./sessions/handlers.ts";
import type { SessionKeeper } from "./sessions/keeper.ts";
import { keepSessions, meetPeers } from "./sessions/start.ts";
import { type AnyHandler, grpcHandler } from "./shapes.ts";
import { endInstance } from "./start-failure.ts";
import { stopOnSignals } from "./stop.ts";
import type {
  Handlers,
  RunningServer,
  ServeFunction,
  ServeOptions,
  SessionHooks,
  StatefulServeOptions,
} from "./types.ts";
import { type Counted, reportVitals } from "./vitals.ts";
import { isWorker, tellReady, workersWanted } from "./workers/role.ts";

const defaultAddress = "127.0.0.1:50051";
/** Time of open calls after a stop signal, ms: within the agent's 10,000. */
const graceMs = 9_000;
/** Time for the last statuses to reach their callers, ms. */
const farewellMs = 250;
/** Part of the grace time within which sessions are handed over. */
const LEAVING_SHARE = 0.5;
const mebibyte = 2 ** 20;

/**
 * Serves a service over gRPC with health, reflection, deadlines, traces and a graceful end, and answers when it is
 * ready: the state is made, the port is bound and the agent (ROUSE_NOTIFY) knows.
 *
 * Where ROUSE_JOB names a job's socket, its one handler is run instead, and the process ends.
 *
 * Where ROUSE_WORKERS wants several workers, this process only keeps them running: each of them runs the whole program, and its
 * `serve` does the work.
 *
 * @throws RouseError WORKERS_INVALID (INVALID_ARGUMENT), WORKER_ENDED (ABORTED), HANDLER_MISSING (INVALID_ARGUMENT), ADDRESS_IN_USE (FAILED_PRECONDITION), ADDRESS_UNUSABLE
 *   (INVALID_ARGUMENT), NOTIFY_FAILED (UNAVAILABLE), and whatever `options.state` throws.
 */
export function serve<Definition extends ServiceDefinition, State>(
  definition: Definition,
  handlers: Handlers<Definition, State>,
  options: StatefulServeOptions<State>,
): Promise<RunningServer>;
export function serve<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: Handlers<Definition, undefined>,
  options?: ServeOptions,
): Promise<RunningServer>;
export async function serve(
  definition: ServiceDefinition,
  handlers: Readonly<Record<string, unknown>>,
  options: ServeOptions | StatefulServeOptions<unknown> = {},
): Promise<RunningServer> {
  const { ROUSE_JOB } = process.env;
  if (ROUSE_JOB && options.handleSignals !== false) {
    // Most processes serve: they are not to load what runs a job.
    const { runJob } = await import("./job/run-job.ts");
    return runJob(ROUSE_JOB, definition, handlers, options);
  }
  // A session lives in one process: calls that several share would find it in one of them only.
  const workers = definition.sessionKey === "" ? workersWanted() : undefined;
  if (workers !== undefined) {
    // Most services have one: they are not to load what keeps several.
    const { supervise } = await import("./workers/supervisor.ts");
    const running = await supervise(workers, options.graceMs ?? graceMs);
    if (options.handleSignals !== false) stopOnSignals(running);
    await announce(definition, running.address, options, running.vitals, running.tellInstance);
    return running;
  }
  const runtime: Runtime<unknown> = {
    service: definition.name,
    sessionKey: definition.sessionKey,
    resource: { service: definition.name, version: definition.version },
    log: options.log ?? defaultLog(definition.name),
    maxResponseBytes: options.maxResponseBytes ?? 64 * mebibyte,
    counts: countCalls(definition.name, definition.version),
    state: undefined,
    open: new Set(),
    forced: false,
  };
  // Most services are not durable: they are not to load what runs are made of.
  const durable = Object.values(definition.methods).some((method) => method.durable)
    ? await import("../durable/serve.ts")
    : undefined;
  const server = new Server({
    "grpc.max_receive_message_length": options.maxRequestBytes ?? (durable?.mostMessageMebi ?? 4) * mebibyte,
    // It is refused in our words, which say what to do.
    "grpc.max_send_message_length": -1,
    // Channelz counts each call and message, for a debugger that nothing here serves.
    "grpc.enable_channelz": 0,
  });
  const keeper = keepSessions(definition, {
    hooks: (options.sessions ?? {}) as SessionHooks<unknown>,
    state: () => runtime.state,
    log: runtime.log,
  });
  const runs: DurableMethod<unknown>[] = [];
  for (const [name, method] of Object.entries(definition.methods)) {
    const handler = handlers[name];
    if (typeof handler !== "function") throw missing(definition, name);
    const work = (request: unknown, call: unknown) => handler.call(handlers, request, call);
    if (durable !== undefined && method.durable === true) runs.push({ method, work });
    const plain =
      durable !== undefined && method.durable === true
        ? durable.callDurably(definition, method, work, runtime)
        : work;
    register(server, runtime, method, plain, keeper);
  }
  durable?.serveRuns(server, runtime, runs);
  const health = new Health(server, [definition.name]);
  if (options.descriptorSet !== undefined) addReflection(server, definition.name, options.descriptorSet);

  const wanted = options.listen ?? process.env.ROUSE_LISTEN;
  const version = process.env.ROUSE_VERSION || definition.version;
  const met = keeper && meetPeers(server, keeper, definition, version);
  if ("state" in options) runtime.state = await options.state();
  await met;
  const listener = await startListening(server, wanted || defaultAddress);
  const { address } = listener;
  health.serving();

  const running = stoppable(server, health, runtime, listener, options, keeper);
  if (options.handleSignals !== false) stopOnSignals(running);
  const calls = () => ({ queue: 0, inProgress: runtime.open.size });
  if (isWorker()) tellReady(address, calls);
  else await announce(definition, address, options, calls);
  return running;
}

/** Tells the agent, or who started the program by hand. */
async function announce(
  { name, version }: ServiceDefinition,
  address: string,
  options: ServeOptions,
  calls: () => Counted,
  named?: (id: string) => void,
): Promise<void> {
  const { ROUSE_NOTIFY, ROUSE_INSTANCE, ROUSE_LISTEN } = process.env;
  if (ROUSE_NOTIFY && options.notify !== false) {
    const agent = await notifyReady(ROUSE_NOTIFY, ROUSE_INSTANCE ?? "", address, named);
    reportVitals(ROUSE_NOTIFY, agent, calls);
  } else if (!(options.listen ?? ROUSE_LISTEN))
    console.log(`${name} ${version} listens on ${address}. Ctrl-C stops it.`);
}

/** The `serve` of one service, with its definition and descriptors: what generated code exports. */
export function bindService<Definition extends ServiceDefinition>(
  definition: Definition,
  descriptorSet?: ServeOptions["descriptorSet"],
): ServeFunction<Definition> {
  const own = descriptorSet === undefined ? {} : { descriptorSet };
  return (handlers: Handlers<Definition, never>, options: ServeOptions | StatefulServeOptions<never> = {}) =>
    serve(definition, handlers, { ...own, ...options } as StatefulServeOptions<never>).catch(endInstance);
}

function register(
  server: Server,
  runtime: Runtime<unknown>,
  method: AnyMethodDefinition,
  handler: AnyHandler<unknown>,
  keeper: SessionKeeper<unknown> | undefined,
): void {
  const type = method.requestStream
    ? method.responseStream
      ? "bidi"
      : "clientStream"
    : method.responseStream
      ? "serverStream"
      : "unary";
  const plain = grpcHandler(runtime, method, handler);
  const handle = keeper === undefined ? plain : inSession(keeper, runtime.sessionKey, method, plain);
  server.register(method.path, handle, asItIs, asItIs, type);
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}

function missing(definition: ServiceDefinition, name: string): RouseError {
  const known = Object.keys(definition.methods).join(", ");
  return new RouseError(
    "INVALID_ARGUMENT",
    `${definition.name} has no handler "${name}". Give a function for each method: ${known}.`,
    { reason: "HANDLER_MISSING", metadata: { service: definition.name, handler: name } },
  );
}

function stoppable(
  server: Server,
  health: Health,
  runtime: Runtime<unknown>,
  listener: Listener,
  options: ServeOptions | StatefulServeOptions<unknown>,
  keeper: SessionKeeper<unknown> | undefined,
): RunningServer {
  const { promise: stopped, resolve, reject } = Promise.withResolvers<void>();
  let stopping = false;
  const force = () => {
    runtime.forced = true;
    // Callers are told why; a connection whose other side does not read is cut.
    for (const call of runtime.open) call.cut();
    setTimeout(listener.destroy, farewellMs).unref();
  };
  const close = async () => {
    if ("state" in options) await options.close?.(runtime.state);
  };
  return {
    address: listener.address,
    stopped,
    stop({ graceMs: given = options.graceMs ?? graceMs } = {}) {
      setTimeout(force, given).unref();
      if (stopping) return stopped;
      stopping = true;
      health.stopping();
      const shutDown = () => {
        // Sends GOAWAY; its callback does not wait for connections that it has not accepted itself.
        server.tryShutdown(() => {});
        const closed = listener.close();
        // Until then calls may have to be passed on.
        if (keeper !== undefined) void closed.then(() => keeper.close());
        closed.then(close).then(resolve, reject);
      };
      // Peers fetch and take what is left before nobody is there to be asked.
      if (keeper !== undefined) void leave(keeper, given).then(shutDown);
      else shutDown();
      return stopped;
    },
  };
}

/** Hands over what can be, within a part of the time that there is for open calls. */
async function leave(keeper: SessionKeeper<unknown>, withinMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, withinMs * LEAVING_SHARE);
  await Promise.race([keeper.end(), late]);
  clearTimeout(timer);
}
