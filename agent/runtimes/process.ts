import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Bundles } from "../artifacts/bundles.ts";
import { OutputFiles } from "../logs/output-files.ts";
import { type Cgroup, Cgroups } from "./cgroup.ts";
import { instanceEnvironment, withoutMounts } from "./environment.ts";
import { processesWith, startTicks } from "./proc.ts";
import { ProcessUnit, signalQuietly } from "./process-unit.ts";
import type { Launch, Runtime, Unit } from "./runtime.ts";
import { startCpus } from "./start-cpus.ts";

/** Variable that marks the processes of one agent's data folder. */
const ownerVariable = "ROUSE_AGENT";

/** Processes and threads an instance may have. */
const maxPids = 512;

/** Joins the cgroups named before "--", then becomes the program: no moment in which it runs unlimited. */
const joinAndRun = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';

const handleSchema = z.object({ pid: z.number().int().positive(), startTicks: z.number() });

export interface ProcessRuntimeOptions {
  readonly host: string;
  readonly zone?: string | undefined;
  /** IPv4 address at which instances listen. */
  readonly bind: string;
  readonly owner: string;
  readonly logs: string;
  readonly notifySocket: string;
  readonly meshTarget: string;
  readonly otlpEndpoint?: string | undefined;
  readonly bundles: Bundles;
}

/** Runs bundles as processes of this machine, limited by cgroups where these may be written. They outlive the agent. */
export class ProcessRuntime implements Runtime {
  readonly name = "process";
  readonly jobs = undefined;
  readonly warnings: readonly string[] = [];
  readonly unenforced: readonly string[];
  readonly #options: ProcessRuntimeOptions;
  readonly #cgroups: Cgroups;
  readonly #running = new Set<string>();

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    this.#cgroups = new Cgroups(options.owner);
    this.unenforced = this.#cgroups.unenforced;
  }

  precreated(): number {
    return 0;
  }

  async prepare(spec: InstanceSpec): Promise<boolean> {
    requireBundle(spec, this.name);
    await this.#options.bundles.folder(spec.bundle);
    return false;
  }

  async forget(): Promise<void> {}

  async start(launch: Launch): Promise<Unit> {
    const { id, spec } = launch;
    requireBundle(spec, this.name);
    const app = await this.#options.bundles.folder(spec.bundle);
    launch.signal.throwIfAborted();
    // settle() takes the lent cores back.
    const limits = { cpu: startCpus(spec.cpu), memoryBytes: spec.memoryBytes, pids: maxPids };
    const cgroup = this.#cgroups.create(id, limits);
    launch.created();
    try {
      const child = await this.#spawn(id, spec, app, cgroup);
      const pid = child.pid ?? 0;
      const handle = { pid, startTicks: startTicks(pid) ?? 0 };
      return this.#unit(id, spec, cgroup, handle, child);
    } catch (error) {
      await cgroup.remove();
      throw error;
    }
  }

  async adopt(
    id: string,
    spec: InstanceSpec,
    handle: Readonly<Record<string, unknown>>,
  ): Promise<Unit | undefined> {
    const parsed = handleSchema.safeParse(handle);
    if (!parsed.success || startTicks(parsed.data.pid) !== parsed.data.startTicks) return undefined;
    return this.#unit(id, spec, this.#cgroups.open(id), parsed.data, undefined);
  }

  async sweep(): Promise<readonly string[]> {
    const swept: string[] = [];
    for (const id of this.#cgroups.ids()) {
      if (this.#running.has(id)) continue;
      await this.#cgroups.open(id).remove();
      swept.push(`cgroup ${id}`);
    }
    for (const { pid, also: id } of processesWith(ownerVariable, this.#options.owner, "ROUSE_INSTANCE")) {
      if (this.#running.has(id)) continue;
      signalQuietly(pid, "SIGKILL");
      swept.push(`process ${pid} of ${id}`);
    }
    return swept;
  }

  async close(): Promise<void> {
    this.#cgroups.close();
  }

  #unit(
    id: string,
    spec: InstanceSpec,
    cgroup: Cgroup,
    handle: { pid: number; startTicks: number },
    child: ChildProcess | undefined,
  ): ProcessUnit {
    this.#running.add(id);
    return new ProcessUnit({
      id,
      cpu: spec.cpu,
      cgroup,
      ...handle,
      child,
      bind: this.#options.bind,
      output: new OutputFiles(this.#options.logs, id),
      removed: () => this.#running.delete(id),
    });
  }

  async #spawn(id: string, spec: InstanceSpec, app: string, cgroup: Cgroup): Promise<ChildProcess> {
    const { host, zone, bind, notifySocket, meshTarget, otlpEndpoint, owner } = this.#options;
    const output = new OutputFiles(this.#options.logs, id);
    const env = {
      ...systemEnvironment(),
      NODE_COMPILE_CACHE: this.#options.bundles.compileCache(spec.bundle),
      ...instanceEnvironment(withoutMounts(spec), {
        host,
        zone,
        instance: id,
        listen: `${bind}:0`,
        notify: notifySocket,
        mesh: meshTarget,
        app,
        otlpEndpoint,
      }),
      [ownerVariable]: owner,
    };
    const program = [process.execPath, join(app, "main.mjs")];
    const [file = "", ...args] =
      cgroup.joinFiles.length > 0
        ? ["/bin/sh", "-c", joinAndRun, "sh", ...cgroup.joinFiles, "--", ...program]
        : program;
    // Appending, so that the agent may cut the files while they are written to.
    const stdout = openSync(output.path("stdout"), "a");
    const stderr = openSync(output.path("stderr"), "a");
    try {
      const child = spawn(file, args, { cwd: app, env, detached: true, stdio: ["ignore", stdout, stderr] });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (cause) => reject(cannotSpawn(spec, cause)));
      });
      child.unref();
      return child;
    } finally {
      closeSync(stdout);
      closeSync(stderr);
    }
  }
}

/** What a program needs of the agent's own environment; the rest may hold secrets. */
export function systemEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
  const entries = names.map((name) => [name, process.env[name] ?? ""] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

/** @throws RouseError FAILED_PRECONDITION IMAGE_NEEDS_ENGINE. */
export function requireBundle(spec: InstanceSpec, runtime: string): void {
  if (spec.image === "") return;
  throw new RouseError(
    "FAILED_PRECONDITION",
    `${spec.service} ${spec.version} is the image "${spec.image}", and this host runs only bundles (runtime ${runtime}). Start its agent with --runtime docker on a machine with a Docker engine.`,
    { reason: "IMAGE_NEEDS_ENGINE" },
  );
}

function cannotSpawn(spec: InstanceSpec, cause: Error): RouseError {
  return new RouseError(
    "ABORTED",
    `${spec.service} ${spec.version} could not be spawned: ${cause.message}.`,
    {
      reason: "SPAWN_FAILED",
      cause,
    },
  );
}
