import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { type Mesh, readMesh, withClient } from "../../cli/connect.ts";
import { type PortName, portFlag, portNames } from "../../cli/up/ports.ts";
import { type ChildEntry, readChildren } from "../../cli/up/record.ts";
import { unary } from "../../sdk/grpc.ts";
import { root } from "./rouse.ts";

/** A program that `rouse up` keeps running. */
export type ChildName =
  | "consul"
  | "registry"
  | "orders"
  | "control-plane"
  | "control-plane-2"
  | "control-plane-3"
  | "agent"
  | "envoy";

export interface TestMeshOptions {
  readonly runtime: "docker" | "process" | "in-process";
  /** More flags of `rouse up`. */
  readonly args?: readonly string[];
  /** A data folder that is used again; default: one of its own, removed by close. */
  readonly data?: string;
}

/** A real mesh: `rouse up` in a data folder of its own, on free ports. */
export interface TestMesh extends Mesh {
  /** All that `rouse up` has printed. */
  output(): string;
  /** Process id of a child that runs. */
  childPid(name: ChildName): number;
  /** Sends a signal to a child; `rouse up` starts it again. */
  kill(name: ChildName, signal?: NodeJS.Signals): void;
  /** Ends a child and resolves when the next one is ready. Default signal: SIGTERM. */
  restart(name: ChildName, signal?: NodeJS.Signals): Promise<void>;
  /** Kills an instance's process or container as a crash would. */
  killInstance(id: string): Promise<void>;
  /** Ends `rouse up` by a signal and resolves to its exit code; the data folder stays. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  /** Ends it as Ctrl-C does and removes the data folder if it is the test's own. */
  close(): Promise<void>;
}

const START_MS = 90_000;

/** Starts a mesh and resolves when everything in it is ready. */
export async function startMesh(options: TestMeshOptions): Promise<TestMesh> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), "rouse-mesh-")));
  const removeData = async () => {
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
  };
  const ports = (Object.keys(portNames) as PortName[]).flatMap((name) => [portFlag(name), "0"]);
  const args = ["up", "--data", data, "--runtime", options.runtime, ...ports, ...(options.args ?? [])];
  const up = spawn(join(root, "node_modules/.bin/node"), [join(root, "cli/bin/rouse.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(up, "exit") as Promise<[number | null]>;
  let output = "";
  for (const stream of [up.stdout, up.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = () => up.exitCode !== null || up.signalCode !== null;
  const end = async (signal: NodeJS.Signals = "SIGINT") => {
    if (!ended()) up.kill(signal);
    return (await exited)[0];
  };
  const close = async () => {
    await end();
    await removeData();
  };
  const deadline = Date.now() + START_MS;
  while (!existsSync(join(data, "mesh.json")) || readMesh(data).pid !== up.pid) {
    if (ended() || Date.now() > deadline) {
      await end("SIGKILL");
      const logs = await controlLogs(data);
      await removeData();
      throw new Error(`The mesh did not start:\n${output}\n${logs}`);
    }
    await sleep(20);
  }
  const mesh = readMesh(data);
  const child = (name: ChildName) => childEntry(data, name);
  const childPid = (name: ChildName) => {
    const entry = child(name);
    if (entry === undefined) throw new Error(`${name} does not run`);
    return entry.pid;
  };
  return {
    ...mesh,
    output: () => output,
    childPid,
    kill: (name, signal = "SIGKILL") => void process.kill(childPid(name), signal),
    async restart(name, signal = "SIGTERM") {
      const before = childPid(name);
      process.kill(before, signal);
      const limit = Date.now() + START_MS;
      for (;;) {
        const now = child(name);
        if (now !== undefined && now.pid !== before && now.ready) return;
        if (Date.now() > limit) throw new Error(`${name} did not come back:\n${output}`);
        await sleep(20);
      }
    },
    killInstance: (id) => killInstance(mesh, id),
    end,
    close,
  };
}

function childEntry(data: string, name: ChildName): ChildEntry | undefined {
  return readChildren(join(data, "children.json")).find((entry) => entry.name === name);
}

/** Kills an instance's process or container as a crash would. */
export async function killInstance(mesh: Mesh, id: string, docker = new Docker()): Promise<void> {
  const { instances } = await withClient(AgentClient, mesh.agent, (client) =>
    unary(client, "listInstances", {}),
  );
  const instance = instances.find((candidate) => candidate.id === id);
  if (instance === undefined) throw new Error(`the agent knows no instance ${id}`);
  if (instance.runtime === "docker") await docker.getContainer(instance.runtimeId).kill();
  else process.kill(Number(instance.runtimeId), "SIGKILL");
}

/** What the children said last, for a test that could not start its mesh. */
export async function controlLogs(data: string): Promise<string> {
  const names: ChildName[] = ["consul", "registry", "orders", "control-plane", "agent", "envoy"];
  const tails = names.map(async (name) => {
    const text = await readFile(join(data, "logs", `${name}.log`), "utf8").catch(() => "");
    return text === "" ? "" : `--- ${name}\n${text.split("\n").slice(-20).join("\n")}`;
  });
  return (await Promise.all(tails)).join("\n");
}
