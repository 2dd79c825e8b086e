import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startTime } from "../../setup/lock.mjs";
import { until } from "./live.ts";
import { startMesh, type TestMesh } from "./mesh.ts";

/** Process id of the packaged PostgreSQL; undefined while it is not there. */
export function postmasterPid(data: string): number | undefined {
  const file = join(data, "orders/postgres/data/postmaster.pid");
  const pid = existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : 0;
  // A file that is being written gives 0, which stands for this very process's group.
  return pid > 1 && startTime(pid) !== "" ? pid : undefined;
}

/** A process and all that descend from it. */
export function familyOf(...roots: readonly number[]): number[] {
  const found = new Set(roots);
  const parents = processes().map((pid) => [pid, parentOf(pid)] as const);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (parent !== undefined && found.has(parent)) found.add(pid);
  }
  return [...found];
}

/**
 * What a power cut leaves of a mesh's host: all its processes are killed at once, and it is started again on its data folder
 * and its ports. The mesh must have a data folder that the test made, and the runtime "process".
 */
export async function cutPower(mesh: TestMesh): Promise<TestMesh> {
  // Nobody may start a process while they are killed.
  for (const signal of ["SIGSTOP", "SIGKILL"] as const)
    await until(`all get ${signal}`, async () => {
      const all = processesOf(mesh);
      for (const pid of all) send(pid, signal);
      return processesOf(mesh).every((pid) => all.includes(pid));
    });
  await mesh.end("SIGKILL");
  await until("all are dead", async () => processesOf(mesh).length === 0);
  return startMesh({ runtime: "process", data: mesh.data, args: portsOf(mesh) });
}

/** Those with the data folder in their words or their environment, and their children: also what has outlived its parent. */
function processesOf({ data }: TestMesh): number[] {
  const mine = processes().filter((pid) => pid !== process.pid && isOf(pid, data));
  return familyOf(...mine).filter((pid) => startTime(pid) !== "");
}

function isOf(pid: number, data: string): boolean {
  return ["cmdline", "environ"].some((file) => read(`/proc/${pid}/${file}`).includes(data));
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  return parent > 1 ? parent : undefined;
}

/** Empty for a process that has ended or that is not ours. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

function portsOf(mesh: TestMesh): string[] {
  const ports = {
    edge: mesh.edge,
    mesh: mesh.mesh,
    consul: mesh.consul,
    registry: mesh.registry,
    "registry-http": mesh.registryHttp,
    control: mesh.control,
    agent: mesh.agent,
    orders: mesh.orders,
    "orders-http": mesh.ordersHttp,
    "envoy-admin": mesh.envoyAdmin,
  };
  return Object.entries(ports).flatMap(([name, at]) => [`--${name}-port`, at.slice(at.lastIndexOf(":") + 1)]);
}
