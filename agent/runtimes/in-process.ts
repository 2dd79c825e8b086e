import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Bundles } from "../artifacts/bundles.ts";
import { OutputFiles } from "../logs/output-files.ts";
import { instanceEnvironment, withoutMounts } from "./environment.ts";
import { type ProcessRuntimeOptions, requireBundle, systemEnvironment } from "./process.ts";
import { outsideOf } from "./process-unit.ts";
import type {
  Ending,
  Launch,
  LogQuery,
  OutputLine,
  PlacedLine,
  Positions,
  Runtime,
  Unit,
} from "./runtime.ts";

/** Message that asks a service in a worker thread to drain and end (sdk/server/stop.ts). */
const stopMessage = "rouse:stop";

/**
 * Runs bundles as threads of the agent itself: the quickest start, for tests and small meshes. They share the agent's
 * fate, and only their JavaScript heap is limited.
 */
export class InProcessRuntime implements Runtime {
  readonly name = "in-process";
  readonly jobs = undefined;
  readonly warnings: readonly string[] = [];
  readonly unenforced = [
    "cpu: threads of one process share its cores",
    "memory: only the JavaScript heap is limited, buffers are not",
  ];
  readonly #options: ProcessRuntimeOptions;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
  }

  precreated(): number {
    return 0;
  }

  async prepare(spec: InstanceSpec): Promise<boolean> {
    requireBundle(spec, this.name);
    await this.#bundles.folder(spec.bundle);
    return false;
  }

  async forget(): Promise<void> {}

  async start({ id, spec, signal, created }: Launch): Promise<Unit> {
    requireBundle(spec, this.name);
    const app = await this.#bundles.folder(spec.bundle);
    signal.throwIfAborted();
    created();
    const { host, zone, bind, notifySocket, meshTarget, otlpEndpoint, logs } = this.#options;
    const facts = { host, zone, instance: id, listen: `${bind}:0`, notify: notifySocket, mesh: meshTarget };
    const env = {
      ...systemEnvironment(),
      NODE_COMPILE_CACHE: this.#bundles.compileCache(spec.bundle),
      ...instanceEnvironment(withoutMounts(spec), { ...facts, app, otlpEndpoint }),
    };
    const worker = new Worker(pathToFileURL(join(app, "main.mjs")), {
      env,
      stdout: true,
      stderr: true,
      name: id,
      resourceLimits: { maxOldGenerationSizeMb: Math.max(8, Math.floor(spec.memoryBytes / 2 ** 20)) },
    });
    const output = new OutputFiles(logs, id);
    worker.stdout.pipe(createWriteStream(output.path("stdout"), { flags: "a" }));
    worker.stderr.pipe(createWriteStream(output.path("stderr"), { flags: "a" }));
    return new ThreadUnit(id, worker, output, bind);
  }

  /** Threads end with their agent. */
  async adopt(): Promise<undefined> {
    return undefined;
  }

  async sweep(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {}

  get #bundles(): Bundles {
    return this.#options.bundles;
  }
}

/** An instance that is a thread. */
class ThreadUnit implements Unit {
  readonly runtimeId: string;
  readonly handle = {};
  readonly notifyName: string;
  readonly ip = undefined;
  readonly expected = undefined;
  readonly outside: Unit["outside"];
  readonly ended: Promise<Ending>;
  readonly #worker: Worker;
  readonly #output: OutputFiles;

  constructor(id: string, worker: Worker, output: OutputFiles, bind: string) {
    this.#worker = worker;
    this.#output = output;
    this.runtimeId = `thread ${worker.threadId}`;
    this.notifyName = id;
    this.outside = outsideOf(bind);
    let failure: Error | undefined;
    worker.on("error", (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    this.ended = new Promise((resolve) => {
      worker.once("exit", (exitCode) => resolve(endingOf(exitCode, failure)));
    });
  }

  async terminate(): Promise<void> {
    this.#worker.postMessage(stopMessage);
  }

  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  async suspend(): Promise<void> {
    throw new RouseError(
      "FAILED_PRECONDITION",
      "A thread of the agent cannot be frozen alone: the runtime in-process has no standby. Use docker or process.",
      { reason: "SUSPEND_UNSUPPORTED" },
    );
  }

  async resume(): Promise<void> {}

  async suspended(): Promise<boolean> {
    return false;
  }

  async pending(): Promise<number> {
    return 0;
  }

  async settle(): Promise<void> {}

  /** Its sockets are the agent's: which are whose cannot be seen. */
  async listening(): Promise<undefined> {
    return undefined;
  }

  logs(query: LogQuery): AsyncIterable<OutputLine> {
    return this.#output.read(query, this.ended);
  }

  linesAfter(positions: Positions, signal: AbortSignal): AsyncIterable<PlacedLine> {
    return this.#output.after(positions, this.ended, signal);
  }

  async remove(): Promise<void> {}
}

function endingOf(exitCode: number, failure: Error | undefined): Ending {
  const outOfMemory =
    failure !== undefined && "code" in failure && failure.code === "ERR_WORKER_OUT_OF_MEMORY";
  const detail =
    failure === undefined || outOfMemory ? undefined : `uncaught ${failure.stack ?? failure.message}`;
  return { exitCode, outOfMemory, detail };
}
