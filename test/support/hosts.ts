import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Mesh, readMesh } from "../../cli/connect.ts";
import { readChildren } from "../../cli/up/record.ts";
import { startDockerd, type TestDockerd } from "./dockerd.ts";
import { type ChildName, controlLogs, killInstance } from "./mesh.ts";
import { makeNetwork, type NetworkHost, whyNoNamespaces } from "./namespaces.ts";
import { root, rouseOk } from "./rouse.ts";

const exec = promisify(execFile);

/** Whether test hosts can be made here: as root on Linux, with "ip". `npm test` says so at its end, too. */
export function testHosts(): { available: boolean } {
  const why = whyNoNamespaces();
  if (why === undefined) return { available: true };
  console.warn(`Network namespaces cannot be made (${why}): the tests of several hosts are left out.`);
  return { available: false };
}

export interface HostOptions {
  /** Default: h1, h2, … */
  readonly name?: string;
  /** It votes in Consul and runs a control plane, as the first host does. Default false. */
  readonly server?: boolean;
  /** More flags of `rouse up`, such as ["--zone", "a", "--cpu", "2"]. */
  readonly args?: readonly string[];
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gives its data folder a disk of its own, of so many MiB; default: that of the machine. */
  readonly diskMiB?: number;
  /** Runs instances as containers of an engine of its own, where {@link mayStartDockerd}; these outlive it only with "live-restore". */
  readonly dockerd?: "live-restore" | "default";
}

/** Several hosts on a network of their own, each a network namespace in which `rouse up` runs. The first has the registry. */
export interface TestHosts {
  readonly all: readonly TestHost[];
  /** The host of a name. */
  of(name: string): TestHost;
  /** Starts one more host, which joins. */
  add(options?: HostOptions): Promise<TestHost>;
  /** Kills everything and removes it. */
  close(): Promise<void>;
}

/**
 * One host. Its edge, registry, control plane and agent listen at its address, which the test reaches, too: `rouse` and clients
 * work from outside. Consul and Envoy's admin page are within: use {@link fetch}.
 */
export interface TestHost extends Mesh {
  readonly name: string;
  readonly ip: string;
  /** Path of its network namespace. */
  readonly network: string;
  /** Its engine, if it has one. */
  readonly dockerd: TestDockerd | undefined;
  /** All that `rouse up` has printed. */
  output(): string;
  /** Runs the `rouse` command for this host. */
  rouse(...args: readonly string[]): Promise<string>;
  /** Runs a program within the host; its output. */
  run(file: string, ...args: readonly string[]): Promise<string>;
  /** Starts a program within the host, which the test ends. */
  spawn(file: string, ...args: readonly string[]): ChildProcess;
  /** GET of a URL within the host, such as `http://${host.consul}/v1/catalog/nodes`; the body. */
  fetch(url: string): Promise<string>;
  childPid(name: ChildName): number;
  /** Sends a signal to a child of `rouse up`, which starts it again. Default SIGKILL. */
  kill(name: ChildName, signal?: NodeJS.Signals): void;
  /** Kills a child and resolves when the next one is ready. Default SIGKILL. */
  restart(name: ChildName, signal?: NodeJS.Signals): Promise<void>;
  /** Kills an instance's process as a crash would. */
  killInstance(id: string): Promise<void>;
  /** As {@link NetworkHost.slowDown}. */
  slowDown: NetworkHost["slowDown"];
  /** Leaves no room on its own disk. @returns the file that takes it. */
  fillDisk(): Promise<string>;
  /** As {@link NetworkHost.joinDocker}. */
  joinDocker(): Promise<void>;
  /** Pulls the network cable. Everything on the host goes on. */
  cutOff(): Promise<void>;
  /** Plugs it in again. */
  reconnect(): Promise<void>;
  /** Power failure: all processes are killed at once, and the network is gone. The data folder stays. */
  die(): Promise<void>;
  /** Starts it again after {@link die} or {@link stop}. */
  start(): Promise<void>;
  /** Ends `rouse up` as Ctrl-C does. */
  stop(): Promise<void>;
}

const START_MS = 120_000;

/**
 * Starts hosts that are one mesh: the first one alone, then the others at the same time. All run instances as processes.
 *
 * @param hosts How many, or the options of each.
 */
export async function startHosts(hosts: number | readonly HostOptions[]): Promise<TestHosts> {
  const options = typeof hosts === "number" ? Array.from({ length: hosts }, (): HostOptions => ({})) : hosts;
  const network = await makeNetwork();
  const folder = await mkdtemp(join(tmpdir(), "rouse-hosts-"));
  const all: TestHost[] = [];
  const disks: string[] = [];
  let count = 0;
  const engines: TestDockerd[] = [];
  const close = async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    await network.close();
    for (const disk of disks) await exec("umount", ["--lazy", disk]);
    await rm(folder, { recursive: true, force: true });
  };
  const add = async (given: HostOptions = {}) => {
    const name = given.name ?? `h${++count}`;
    const first = all[0];
    const join_ = first === undefined ? [] : ["--join", first.ip];
    const data = join(folder, name);
    if (given.diskMiB !== undefined) {
      await mkdir(data);
      await exec("mount", ["-t", "tmpfs", "-o", `size=${given.diskMiB}m,mode=755`, "tmpfs", data]);
      disks.push(data);
    }
    const connection = await network.add(name);
    const dockerd = given.dockerd && (await startDockerd(connection.path, given.dockerd === "live-restore"));
    if (dockerd !== undefined) engines.push(dockerd);
    const args = [
      ...join_,
      ...(dockerd === undefined ? [] : ["--runtime", "docker"]),
      ...(given.server === true && first !== undefined ? ["--server"] : []),
      ...(given.args ?? []),
    ];
    const env = { ...given.env, ...(dockerd !== undefined && { DOCKER_HOST: dockerd.host }) };
    const started = await startHost(name, connection, data, args, env);
    const host = {
      ...started,
      dockerd,
      killInstance: (id: string) => killInstance(started, id, dockerd?.docker),
    };
    all.push(host);
    return host;
  };
  try {
    const [first, ...others] = options;
    await add(first);
    await Promise.all(others.map(add));
    all.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    all,
    of(name) {
      const found = all.find((host) => host.name === name);
      if (found === undefined) throw new Error(`no host ${name}`);
      return found;
    },
    add,
    close,
  };
}

async function startHost(
  name: string,
  network: NetworkHost,
  data: string,
  more: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Omit<TestHost, "dockerd" | "killInstance">> {
  const { ip, path } = network;
  const within = [`--net=${path}`, "--"];
  const node = join(root, "node_modules/.bin/node");
  const args = [
    "up",
    "--data",
    data,
    "--runtime",
    "process",
    "--host",
    name,
    "--bind",
    ip,
    "--listen-host",
    ip,
    ...more,
  ];
  let output = "";
  let up: ChildProcess | undefined;
  const start = async () => {
    const child = spawn("nsenter", [...within, node, join(root, "cli/bin/rouse.mjs"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    up = child;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const deadline = performance.now() + START_MS;
    while (!existsSync(join(data, "mesh.json")) || readMesh(data).pid !== child.pid) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
        await network.killAll();
        throw new Error(`Host ${name} did not start:\n${output}\n${await controlLogs(data)}`);
      }
      await sleep(20);
    }
  };
  const childPid = (child: ChildName) => {
    const entry = readChildren(join(data, "children.json")).find((one) => one.name === child);
    if (entry === undefined) throw new Error(`${child} does not run on ${name}`);
    return entry.pid;
  };
  const run = async (file: string, ...rest: readonly string[]) =>
    (await exec("nsenter", [...within, file, ...rest], { maxBuffer: 64 * 2 ** 20 })).stdout;
  await start();
  return {
    ...readMesh(data),
    name,
    ip,
    network: path,
    output: () => output,
    rouse: (...rest) => rouseOk(rest, { ROUSE_DATA: data }),
    run,
    spawn: (file, ...rest) => spawn("nsenter", [...within, file, ...rest], { stdio: "ignore" }),
    fetch: (url) =>
      run(
        node,
        "-e",
        `fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))`,
        url,
      ),
    childPid,
    kill: (child, signal = "SIGKILL") => void process.kill(childPid(child), signal),
    async restart(child, signal = "SIGKILL") {
      const before = childPid(child);
      process.kill(before, signal);
      const deadline = performance.now() + START_MS;
      for (;;) {
        const now = readChildren(join(data, "children.json")).find((one) => one.name === child);
        if (now !== undefined && now.pid !== before && now.ready) return;
        if (performance.now() > deadline)
          throw new Error(`${child} of ${name} did not come back:\n${output}`);
        await sleep(20);
      }
    },
    slowDown: network.slowDown,
    fillDisk: () => fillDisk(data),
    joinDocker: network.joinDocker,
    cutOff: () => network.connect(false),
    reconnect: () => network.connect(true),
    async die() {
      await network.connect(false);
      await network.killAll();
    },
    async start() {
      await network.connect(true);
      await start();
    },
    async stop() {
      if (up === undefined || up.exitCode !== null || up.signalCode !== null) return;
      const exited = once(up, "exit");
      up.kill("SIGINT");
      await exited;
    },
  };
}

/** Writes a file until nothing more fits. */
async function fillDisk(folder: string): Promise<string> {
  const path = join(folder, "filler");
  const file = await open(path, "a");
  try {
    // The last bytes count, too.
    for (let block = 2 ** 20; block >= 1; block = Math.floor(block / 16)) {
      const bytes = Buffer.alloc(block, "x");
      try {
        while ((await file.write(bytes)).bytesWritten === block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    await file.close();
  }
  return path;
}
