import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import Docker from "dockerode";
import { until } from "./live.ts";

const exec = promisify(execFile);
const PROGRAM = "/usr/sbin/dockerd";

/** A Docker engine of a test's own, which may be killed. */
export interface TestDockerd {
  /** What programs get as DOCKER_HOST. */
  readonly host: string;
  readonly docker: Docker;
  /** SIGKILL, of its containerd as well; its containers go on, at least until it is started again. */
  kill(): Promise<void>;
  /** Starts it again; resolves when it answers. Without "live-restore" it ends all containers before. */
  start(): Promise<void>;
  /** Removes its containers, ends it, and removes its folder. */
  close(): Promise<void>;
}

/** Whether there is a program to start, and who starts it may. */
export const mayStartDockerd = existsSync(PROGRAM) && process.getuid?.() === 0;

/**
 * Starts an engine.
 *
 * @param network path of the network namespace that it runs in: two engines on one machine would share a bridge.
 * @param liveRestore its containers outlive it; Docker's default: they do not.
 */
export async function startDockerd(network: string, liveRestore: boolean): Promise<TestDockerd> {
  // Paths of sockets are short.
  const folder = await mkdtemp(join(tmpdir(), "rd-"));
  const socket = join(folder, "docker.sock");
  const host = `unix://${socket}`;
  const docker = new Docker({ socketPath: socket });
  await mkdir(join(folder, "exec"));
  // Neither the settings of an engine that runs on this machine, nor what it has in a containerd that runs by itself.
  const config = join(folder, "daemon.json");
  await writeFile(config, "{}");
  const own = ["--config-file", config, "--containerd-namespace", basename(folder)];
  const flags = ["--host", host, "--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")];
  const more = [...own, "--pidfile", join(folder, "pid"), ...(liveRestore ? ["--live-restore"] : [])];
  let child: ChildProcess | undefined;
  let output = "";
  const answers = () =>
    docker.ping().then(
      () => true,
      () => false,
    );
  const start = async () => {
    // One that was killed leaves it, and its number may be another's by now.
    await rm(join(folder, "pid"), { force: true });
    const started = spawn("nsenter", [`--net=${network}`, "--", PROGRAM, ...flags, ...more], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    output = "";
    for (const stream of [started.stdout, started.stderr]) stream.on("data", (chunk) => (output += chunk));
    await until("the engine answers", async () => {
      if (started.exitCode !== null || started.signalCode !== null)
        throw new Error(`dockerd ended:\n${output.split("\n").slice(-15).join("\n")}`);
      return answers();
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill(signal);
    await exited;
  };
  const endContainerd = async () => {
    const pid = Number(
      await readFile(join(folder, "exec/containerd/containerd.pid"), "utf8").catch(() => "0"),
    );
    if (pid > 1)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It went with the engine.
      }
    // The next engine would take one that is not reaped yet for one that runs, and wait for it in vain.
    await until("its containerd is gone", async () => pid <= 1 || !existsSync(`/proc/${pid}`));
  };
  const close = async () => {
    if (await answers())
      for (const { Id } of await docker.listContainers({ all: true }))
        await docker
          .getContainer(Id)
          .remove({ force: true })
          .catch(() => undefined);
    await end("SIGTERM");
    await endContainerd();
    // One that keeps its containers keeps its mounts, too: of their disks, and of their networks below exec/netns.
    const mounted = (await readFile("/proc/self/mounts", "utf8"))
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "");
    for (const path of mounted.filter((path) => path.startsWith(`${folder}/`)).reverse())
      await exec("umount", ["--lazy", path]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  const kill = async () => {
    await end("SIGKILL");
    await endContainerd();
  };
  return { host, docker, start, close, kill };
}
