import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type Docker from "dockerode";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";

/** Starts the same bundle with nothing of the mesh around it, and answers the milliseconds to its first reply. */
export type BareStart = () => Promise<number>;

/** Where services say that they are ready; the one thing of the agent that a start by hand needs, too. */
class NotifySocket {
  readonly folder: string;
  readonly #server: Server;
  #ready: (address: string) => void = () => undefined;

  private constructor(folder: string) {
    this.folder = folder;
    this.#server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (line) =>
        this.#ready(String((JSON.parse(String(line)) as { address: string }).address)),
      );
    });
  }

  static async open(): Promise<NotifySocket> {
    const socket = new NotifySocket(await mkdtemp(join(tmpdir(), "bare-")));
    await chmod(socket.folder, 0o755);
    socket.#server.listen(socket.path);
    await once(socket.#server, "listening");
    await chmod(socket.path, 0o777);
    return socket;
  }

  get path(): string {
    return join(this.folder, "notify.sock");
  }

  ready(): Promise<string> {
    return new Promise((resolve) => {
      this.#ready = resolve;
    });
  }

  async close(): Promise<void> {
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function environment(socket: string, listen: string, app: string): Record<string, string> {
  return {
    ROUSE_SERVICE: "probe.v1.ProbeService",
    ROUSE_VERSION: "bare",
    ROUSE_INSTANCE: "bare",
    ROUSE_HOST: "bare",
    ROUSE_LISTEN: listen,
    ROUSE_NOTIFY: socket,
    ROUSE_MESH: "127.0.0.1:1",
    ROUSE_APP: app,
  };
}

function cacheIn(folder: string | undefined): Record<string, string> {
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

async function firstReply(address: string): Promise<void> {
  using client = createProbeServiceClient({ target: address });
  await client.echo({ text: "x" }, { deadlineMs: 10_000 });
}

/**
 * `node main.mjs`, from spawn to reply.
 *
 * @param compileCache folder in which Node keeps what it compiled, as an agent has one per bundle; none if left out.
 */
export async function bareProcess(app: string, compileCache?: string): Promise<BareStart & AsyncDisposable> {
  const socket = await NotifySocket.open();
  const start = async () => {
    const ready = socket.ready();
    const env = {
      PATH: process.env.PATH,
      ...environment(socket.path, "127.0.0.1:0", app),
      ...cacheIn(compileCache),
    };
    const beganMs = performance.now();
    const child = spawn(process.execPath, [join(app, "main.mjs")], { env, stdio: "ignore" });
    await firstReply(await ready);
    const tookMs = performance.now() - beganMs;
    const exited = once(child, "exit");
    child.kill(compileCache === undefined ? "SIGKILL" : "SIGTERM"); // Node writes its cache when it exits
    await exited;
    return tookMs;
  };
  return Object.assign(start, { [Symbol.asyncDispose]: () => socket.close() });
}

/** A worker thread of this process, from its creation to the reply; `compileCache` as in {@link bareProcess}. */
export async function bareWorker(app: string, compileCache?: string): Promise<BareStart & AsyncDisposable> {
  const socket = await NotifySocket.open();
  const start = async () => {
    const ready = socket.ready();
    const env = { ...environment(socket.path, "127.0.0.1:0", app), ...cacheIn(compileCache) };
    const beganMs = performance.now();
    const worker = new Worker(join(app, "main.mjs"), { env, stdout: true, stderr: true });
    await firstReply(await ready);
    const tookMs = performance.now() - beganMs;
    await worker.terminate();
    return tookMs;
  };
  return Object.assign(start, { [Symbol.asyncDispose]: () => socket.close() });
}

/** What {@link bareContainer} starts: an image as an instance's container has it, with the same limits. */
export interface ContainerModel {
  readonly docker: Docker;
  /** Container of an instance that runs. */
  readonly containerId: string;
}

/**
 * `docker start` of a container like an instance's, from the request to the engine to the reply.
 *
 * @param precreated with its network's sandbox up, as the agent has it; else with a bridge network of its own, created
 *   within the measured time as well.
 */
export async function bareContainer(
  model: ContainerModel,
  precreated: boolean,
): Promise<BareStart & AsyncDisposable> {
  const { docker } = model;
  const socket = await NotifySocket.open();
  const shown = await docker.getContainer(model.containerId).inspect();
  const sandboxId = shown.HostConfig.NetworkMode?.replace(/^container:/, "") ?? "";
  const sandboxShown = await docker.getContainer(sandboxId).inspect();
  const start = async () => {
    const sandbox = precreated
      ? await docker.createContainer({
          ...sandboxShown.Config,
          Hostname: "",
          Labels: {},
          HostConfig: { ...sandboxShown.HostConfig },
        })
      : undefined;
    await sandbox?.start();
    const create = () =>
      docker.createContainer({
        ...shown.Config,
        Hostname: "",
        Labels: {},
        Env: Object.entries(environment("/run/rouse/notify.sock", "0.0.0.0:50051", "/app")).map((entry) =>
          entry.join("="),
        ),
        HostConfig: {
          ...shown.HostConfig,
          Binds: [],
          Mounts: [
            ...(shown.HostConfig.Mounts ?? []).filter(({ Target }) => Target !== "/run/rouse"),
            { Type: "bind", Source: socket.folder, Target: "/run/rouse" },
          ],
          NetworkMode: sandbox === undefined ? "bridge" : `container:${sandbox.id}`,
        },
      });
    let container = precreated ? await create() : undefined;
    const ready = socket.ready();
    const beganMs = performance.now();
    container ??= await create();
    await container.start();
    await ready;
    const { NetworkSettings } = await (sandbox ?? container).inspect();
    const ip = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? "";
    await firstReply(`${ip}:50051`);
    const tookMs = performance.now() - beganMs;
    await container.remove({ force: true });
    await sandbox?.remove({ force: true });
    return tookMs;
  };
  return Object.assign(start, { [Symbol.asyncDispose]: () => socket.close() });
}
