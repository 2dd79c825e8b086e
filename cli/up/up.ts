import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { controlPlaneFileOf, writeControlPlaneFile } from "../../mesh-config/control-plane-file.ts";
import { findTool } from "../../setup/tools.ts";
import type { Mesh } from "../connect.ts";
import { Child, type ChildSpec } from "./child.ts";
import { consulChild, remembersOthers } from "./consul.ts";
import { envoyChild } from "./envoy.ts";
import { checkHostName } from "./host-name.ts";
import { joinedParts } from "./joined.ts";
import { checkNetwork, LOOPBACK } from "./network.ts";
import type { UpOptions } from "./options.ts";
import { freePorts, type PortName, portNames, settlePorts } from "./ports.ts";
import { type ControlChild, controlPlanes, meshServers } from "./processes.ts";
import { ChildRecord } from "./record.ts";
import { agentStatus } from "./runtime.ts";
import { removeSlots, writeSlots } from "./slots.ts";

/** This host's part of a mesh, with its children. */
export interface RunningMesh {
  readonly mesh: Mesh;
  /** Why the agent chose its runtime. */
  readonly runtimeReason: string;
  /** What people should know of it. */
  readonly warnings: readonly string[];
  /** Stops instances and children; nothing is left but the data. */
  stop(): Promise<void>;
}

/**
 * Starts a mesh of one host, or this host's part of a larger one, in a data folder that this process owns.
 *
 * @param say is told what goes on, one line at a time.
 * @param stopping abandons the start.
 * @throws RouseError FAILED_PRECONDITION: TOOL_MISSING, PORT_IN_USE, CHILD_FAILED; UNAVAILABLE MESH_INCOMPLETE; what
 *   {@link checkNetwork} and {@link checkHostName} throw. Nothing is left running then.
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
  const network = await checkNetwork(options, stopping, { remembers: remembersOthers(join(data, "consul")) });
  const bind = network?.bind ?? LOOPBACK;
  const runs =
    network === undefined || network.join.length === 0 ? "all" : network.server ? "control" : "instances";
  const host = (name: PortName) => (name === "edge" ? options.listenHost : isShared(name) ? bind : LOOPBACK);
  const ports = await settlePorts(options.ports, host, portsOf(runs));
  const at = (name: PortName) => `${host(name)}:${ports[name]}`;
  const mesh: Mesh = {
    edge: options.listenHost === "0.0.0.0" ? `${LOOPBACK}:${ports.edge}` : at("edge"),
    mesh: at("mesh"),
    meshSocket: join(data, "run", "mesh.sock"),
    consul: at("consul"),
    registry: at("registry"),
    registryHttp: at("registryHttp"),
    control: at("control"),
    agent: at("agent"),
    orders: at("orders"),
    ordersHttp: at("ordersHttp"),
    envoyAdmin: at("envoyAdmin"),
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
  let controls: readonly ControlChild[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= stopAll(children, mesh, controls);
    return stopped;
  };
  // A start that is abandoned ends the child that it waits for.
  stopping.addEventListener("abort", () => void stop(), { once: true });
  try {
    removeSockets(mesh);
    await start(await consulChild(mesh.consul, join(data, "consul"), options.host, network));
    if (runs !== "all") await checkHostName(mesh.consul, options.host, bind);
    const parts =
      runs === "all"
        ? undefined
        : await joinedParts(mesh.consul, stopping, { hasControl: runs === "control", say });
    const joined: Mesh = {
      ...mesh,
      ...(parts && {
        registry: parts.registry,
        registryHttp: parts.registryHttp,
        orders: parts.orders,
        ordersHttp: parts.ordersHttp,
      }),
      ...(parts && runs !== "control" && { control: parts.control[0] ?? mesh.control }),
    };
    const servers = meshServers(joined, options, bind);
    const more = await freePorts(runs === "instances" ? 0 : options.controlPlanes - 1, bind);
    const addresses = [mesh.control, ...more.map((port) => `${bind}:${port}`)];
    controls = runs === "instances" ? [] : controlPlanes(joined, options, addresses);
    const known = new Set([...(runs === "instances" ? [] : addresses), ...(parts?.control ?? [])]);
    // The agent keeps it up to date.
    writeControlPlaneFile(controlPlaneFileOf(data), [...known]);
    await Promise.all([
      ...(runs === "all" ? [start(servers.registry), start(servers.orders)] : []),
      ...controls.map(({ spec }) => start(spec)),
      start(servers.agent),
    ]);
    await writeSlots(mesh.consul, options.host, controls);
    const edge = `${options.listenHost}:${ports.edge}`;
    await start(envoyChild(joined, { name: options.host, zone: options.zone ?? "", edge }));
    stopping.throwIfAborted();
    const { runtime, runtimeReason, warnings } = await agentStatus(joined.agent);
    const settled = { ...joined, runtime };
    writeMesh(settled);
    return { mesh: settled, runtimeReason, warnings, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What other hosts reach; everything else is for this host. */
function isShared(name: PortName): boolean {
  return ["registry", "registryHttp", "control", "agent", "orders", "ordersHttp"].includes(name);
}

/** The ports that this host needs. */
function portsOf(runs: "all" | "control" | "instances"): PortName[] {
  const elsewhere: Record<typeof runs, readonly PortName[]> = {
    all: [],
    control: ["registry", "registryHttp", "orders", "ordersHttp"],
    instances: ["registry", "registryHttp", "orders", "ordersHttp", "control"],
  };
  return (Object.keys(portNames) as PortName[]).filter((name) => !elsewhere[runs].includes(name));
}

/** First nobody calls any more, then the agent stops its instances, then the rest. */
async function stopAll(
  children: ReadonlyMap<string, Child>,
  mesh: Mesh,
  controls: readonly ControlChild[],
): Promise<void> {
  rmSync(join(mesh.data, "mesh.json"), { force: true });
  await removeSlots(mesh.consul, controls);
  const controlNames = controls.map(({ spec }) => spec.name);
  for (const names of [["envoy", "orders", ...controlNames], ["agent"], ["registry"], ["consul"]]) {
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
