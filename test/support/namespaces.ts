import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import Docker from "dockerode";
import { Freezer } from "../../agent/runtimes/freezer.ts";

const exec = promisify(execFile);

/** Names of this suite's namespaces; the process id of their owner follows, so that left-overs are known. */
const PREFIX = "rouse-test-";
const FOLDER = "/run/netns";
/** It is not on every PATH. */
const IP = ["/usr/sbin", "/sbin", "/usr/bin"].map((folder) => `${folder}/ip`).find(existsSync) ?? "ip";

/** Why no network namespaces can be made here; undefined: they can. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root";
  const name = `${PREFIX}${process.pid}-try`;
  try {
    execFileSync(IP, ["netns", "add", name], { stdio: "pipe" });
    execFileSync(IP, ["-n", name, "link", "add", "name", "t0", "type", "veth", "peer", "name", "t1"], {
      stdio: "pipe",
    });
    return undefined;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: Buffer };
    if (code === "ENOENT") return 'the program "ip" is missing (Debian: iproute2)';
    return stderr?.toString().trim() || message;
  } finally {
    try {
      execFileSync(IP, ["netns", "del", name], { stdio: "pipe" });
    } catch {
      // It was never made.
    }
  }
}

/** A switch in a namespace of its own, which this machine and any number of hosts are connected to. */
export interface TestNetwork {
  /** Adds a host and connects it. */
  add(name: string): Promise<NetworkHost>;
  close(): Promise<void>;
}

/** A network namespace with one address. */
export interface NetworkHost {
  /** Path of the namespace, for nsenter. */
  readonly path: string;
  /** Reached by this machine and the other hosts. */
  readonly ip: string;
  /** Pulls or plugs the cable. */
  connect(plugged: boolean): Promise<void>;
  /** Connects it to the bridge of this machine's Docker engine as well: an agent in it reaches containers, and these reach nothing more. */
  joinDocker(): Promise<void>;
  /** Kills whatever runs in it. */
  killAll(): Promise<void>;
  /**
   * Makes whatever runs in it stand still for a while again and again, so that it gets a part of the processor's time, and answers late.
   * Resolves when all goes on. (Linux's netem, which delays packets, is not in every kernel.)
   */
  slowDown(how: { readonly stillMs: number; readonly goesMs: number; readonly times: number }): Promise<void>;
}

let networks = 0;

/** Makes a network of its own, and removes what a killed test left. */
export async function makeNetwork(): Promise<TestNetwork> {
  await removeLeftovers();
  const own = `${PREFIX}${process.pid}-${networks++}`;
  const subnet = await freeSubnet();
  const hub = `${own}-switch`;
  // An interface has at most 15 characters.
  const link = `rt${(process.pid * 16 + (networks % 16)).toString(36)}`;
  const guard = guardOf(own, link);
  const close = async () => {
    guard.kill("SIGKILL");
    await removeAll((name) => name === own || name.startsWith(`${own}-`));
    await exec(IP, ["link", "del", link]).catch(() => undefined);
  };
  try {
    await ip("netns", "add", hub);
    await ip("-n", hub, "link", "add", "name", "br0", "type", "bridge");
    await ip("-n", hub, "link", "set", "br0", "up");
    await ip("link", "add", "name", link, "type", "veth", "peer", "name", "root", "netns", hub);
    await ip("-n", hub, "link", "set", "root", "master", "br0", "up");
    await ip("addr", "add", `${subnet}.254/24`, "dev", link);
    await ip("link", "set", link, "up");
  } catch (error) {
    await close();
    throw error;
  }
  let hosts = 0;
  return {
    async add(name) {
      const number = ++hosts;
      const namespace = `${own}-${name}`;
      const port = `h${number}`;
      await ip("netns", "add", namespace);
      await ip("-n", namespace, "link", "set", "lo", "up");
      await ip(
        "-n",
        hub,
        "link",
        "add",
        "name",
        port,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        namespace,
      );
      await ip("-n", namespace, "addr", "add", `${subnet}.${number}/24`, "dev", "eth0");
      await ip("-n", namespace, "link", "set", "eth0", "up");
      await ip("-n", hub, "link", "set", port, "master", "br0", "up");
      return {
        path: `${FOLDER}/${namespace}`,
        ip: `${subnet}.${number}`,
        async connect(plugged) {
          await ip("-n", hub, "link", "set", port, plugged ? "up" : "down");
        },
        async joinDocker() {
          const bridge = await engineBridge();
          const [, start] =
            / (\d+\.\d+)\.\d+\.\d+\/16 /.exec(await ip("-o", "-4", "addr", "show", bridge)) ?? [];
          if (start === undefined) throw new Error(`the engine's bridge ${bridge} has no network of 16 bits`);
          const end = `rd${process.pid}-${number}`;
          await ip("link", "add", "name", end, "type", "veth", "peer", "name", "eth1", "netns", namespace);
          await ip("link", "set", end, "master", bridge, "up");
          // The engine gives addresses away from the other end.
          const own = `${start}.${randomInt(200, 255)}.${randomInt(1, 255)}/16`;
          await ip("-n", namespace, "addr", "add", own, "dev", "eth1");
          await ip("-n", namespace, "link", "set", "eth1", "up");
        },
        killAll: () => killAll(namespace),
        slowDown: ({ stillMs, goesMs, times }) => slowDown(namespace, stillMs, goesMs, times),
      };
    },
    close,
  };
}

/** Name of the bridge of this machine's engine. */
async function engineBridge(): Promise<string> {
  const { Options } = await new Docker().getNetwork("bridge").inspect();
  return Options?.["com.docker.network.bridge.name"] ?? "docker0";
}

async function ip(...args: readonly string[]): Promise<string> {
  return (await exec(IP, args)).stdout;
}

/** The first three numbers of a network that no interface of this machine is in. */
async function freeSubnet(): Promise<string> {
  const used = `${await ip("-o", "-4", "addr")} ${await ip("-o", "-4", "route")}`;
  for (;;) {
    const subnet = `10.${randomInt(100, 250)}.${randomInt(0, 256)}`;
    if (!used.includes(` ${subnet}.`)) return subnet;
  }
}

async function killAll(namespace: string): Promise<void> {
  // What is killed may have just started another.
  for (;;) {
    const pids = await pidsIn(namespace);
    if (pids.length === 0) return;
    signalEach(pids, "SIGKILL");
    // An instance on standby dies when it is thawed: cgroups of version 1 keep even that from it.
    for (const pid of pids) thaw(pid);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function thaw(pid: number): void {
  try {
    Freezer.of(pid)?.thaw();
  } catch {
    // It ended meanwhile.
  }
}

async function slowDown(namespace: string, stillMs: number, goesMs: number, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    try {
      signalEach(await pidsIn(namespace), "SIGSTOP");
      await sleep(stillMs);
    } finally {
      signalEach(await pidsIn(namespace), "SIGCONT");
    }
    await sleep(goesMs);
  }
}

async function pidsIn(namespace: string): Promise<number[]> {
  const said = await ip("netns", "pids", namespace).catch(() => "");
  return said.trim().split("\n").filter(Boolean).map(Number);
}

function signalEach(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}

async function removeAll(mine: (name: string) => boolean): Promise<void> {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter(mine) : [];
  await Promise.all(
    names.map(async (name) => {
      await killAll(name);
      await ip("netns", "del", name).catch(() => undefined);
    }),
  );
}

/** Those whose owner is gone. */
function removeLeftovers(): Promise<void> {
  return removeAll((name) => {
    const [, pid] = /^rouse-test-(\d+)-/.exec(name) ?? [];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/** A shell that removes all of it when this process is gone, however it went: its stdin closes then. */
function guardOf(own: string, link: string): ChildProcess {
  const script = `read -r _
for path in ${FOLDER}/"$0"-*; do
  name=\${path##*/}
  "$2" netns pids "$name" | xargs -r kill -9
  "$2" netns del "$name"
done
"$2" link del "$1"`;
  const guard = spawn("sh", ["-c", script, own, link, IP], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  return guard;
}
