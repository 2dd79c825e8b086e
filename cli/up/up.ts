import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findTool } from "../../setup/tools.ts";
import type { Mesh } from "../connect.ts";
import { Child, type ChildSpec } from "./child.ts";
import { consulChild } from "./consul.ts";
import { envoyChild } from "./envoy.ts";
import type { UpOptions } from "./options.ts";
import { settlePorts } from "./ports.ts";
import { meshServers } from "./processes.ts";
import { ChildRecord } from "./record.ts";
import { agentStatus } from "./runtime.ts";

/** A mesh of one host, with its children. */
export interface RunningMesh {
  readonly mesh: Mesh;
  /** Why the agent chose its runtime. */
  readonly runtimeReason: string;
  /** Stops instances and children; nothing is left but the data. */
  stop(): Promise<void>;
}

/**
 * Starts a mesh of one host in a data folder that this process owns.
 *
 * @param say is told what goes on, one line at a time.
 * @param stopping abandons the start.
 * @throws RouseError FAILED_PRECONDITION: TOOL_MISSING, PORT_IN_USE, CHILD_FAILED. Nothing is left running then.
 */
export async function up(
  options: UpOptions,
  say: (line: string) => void,
  stopping: AbortSignal,
): Promise<RunningMesh> {
  const { data } = options;
  findTool("envoy", say);
  findTool("consul", say);
  const record = new ChildRecord(join(data, "children.json"));
  const left = await record.endLeftovers();
  if (left.length > 0) say(`Ended what a killed mesh had left: ${left.join(", ")}`);
  const ports = await settlePorts(options.ports, (name) =>
    name === "edge" ? options.listenHost : "127.0.0.1",
  );
  const local = (port: number) => `127.0.0.1:${port}`;
  const mesh: Mesh = {
    edge: options.listenHost === "0.0.0.0" ? local(ports.edge) : `${options.listenHost}:${ports.edge}`,
    mesh: local(ports.mesh),
    meshSocket: join(data, "run", "mesh.sock"),
    consul: local(ports.consul),
    registry: local(ports.registry),
    registryHttp: local(ports.registryHttp),
    control: local(ports.control),
    agent: local(ports.agent),
    envoyAdmin: local(ports.envoyAdmin),
    runtime: options.runtime,
    pid: process.pid,
    data,
  };
  const context = { logs: join(data, "logs"), record, say };
  const children = new Map<string, Child>();
  const start = async (spec: ChildSpec) => {
    stopping.throwIfAborted();
    const child = new Child(spec, context);
    children.set(spec.name, child);
    const begun = performance.now();
    await child.start();
    stopping.throwIfAborted();
    say(`${spec.name} runs (${Math.round(performance.now() - begun)} ms)`);
  };
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= stopAll(children, mesh);
    return stopped;
  };
  // A start that is abandoned ends the child that it waits for.
  stopping.addEventListener("abort", () => void stop(), { once: true });
  try {
    removeSockets(mesh);
    await start(await consulChild(mesh.consul, join(data, "consul")));
    const servers = meshServers(mesh, options);
    await Promise.all([start(servers.registry), start(servers.control), start(servers.agent)]);
    await start(envoyChild(mesh, options.zone));
    stopping.throwIfAborted();
    const { runtime, runtimeReason } = await agentStatus(mesh.agent);
    const settled = { ...mesh, runtime };
    writeMesh(settled);
    return { mesh: settled, runtimeReason, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** First nobody calls any more, then the agent stops its instances, then the rest. */
async function stopAll(children: ReadonlyMap<string, Child>, mesh: Mesh): Promise<void> {
  rmSync(join(mesh.data, "mesh.json"), { force: true });
  for (const names of [["envoy", "control-plane"], ["agent"], ["registry"], ["consul"]]) {
    await Promise.all(names.map((name) => children.get(name)?.stop()));
  }
  removeSockets(mesh);
}

/** Sockets outlive a killed process, and Envoy does not bind where one is. */
function removeSockets(mesh: Mesh): void {
  rmSync(mesh.meshSocket, { force: true });
  rmSync(join(mesh.data, "run", "notify.sock"), { force: true });
}

function writeMesh({ data, ...mesh }: Mesh): void {
  const file = join(data, "mesh.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(mesh, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}
