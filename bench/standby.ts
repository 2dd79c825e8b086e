import { readFileSync } from "node:fs";
import Docker from "dockerode";
import { AgentClient, type Instance, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "../test/support/live.ts";
import type { TestMesh } from "../test/support/mesh.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, median, quantile, round } from "./table.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 12);
const GOAL_MS = 15;
/** Versions of the probe, by how they rest between two calls. */
const RESTS = { cold: "1.0.0", "pre-created": "2.0.0", standby: "3.0.0", warm: "4.0.0" } as const;
type Rest = keyof typeof RESTS;

interface Sample {
  readonly tookMs: number;
  /** Before the call; bytes. */
  readonly memory: number;
  /** Since the last look, in cores. */
  readonly cpu: number;
}

/** The first call after a rest, and what the rest costs: cold, pre-created, on standby and warm, in turn. */
export default async function standby(): Promise<BenchResult[]> {
  const docker = new Docker();
  const engine = await docker.ping().then(
    () => true,
    () => false,
  );
  const results = [await measure("process", docker)];
  if (engine) results.push(await measure("docker", docker));
  else console.error("No Docker engine answers: standby of containers is left out.");
  return results;
}

async function measure(runtime: "process" | "docker", docker: Docker): Promise<BenchResult> {
  const rests = (Object.keys(RESTS) as Rest[]).filter(
    (rest) => runtime === "docker" || rest !== "pre-created",
  );
  await using subject = await startSubject(
    runtime,
    rests.map((rest) => ({
      version: RESTS[rest],
      idleTimeout: rest === "warm" ? "never" : "1s",
      standby: rest === "standby" ? 1 : 0,
    })),
  );
  const { mesh } = subject;
  const samples = new Map<Rest, Sample[]>(rests.map((rest) => [rest, []]));
  for (let number = -1; number < ROUNDS; number++) {
    for (const rest of rests) {
      using client = createProbeServiceClient({ target: mesh.edge, version: RESTS[rest] });
      // Its connection and code are not what is measured.
      await client.echo({ text: "x" }, { deadlineMs: 60_000 });
      await until(`it is ${rest}`, () => isAtRest(mesh, rest), 60_000);
      const instance = await instanceOf(mesh, RESTS[rest]);
      const before = instance && (await cost(runtime, docker, instance));
      const restedAtMs = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const after = instance && (await cost(runtime, docker, instance));
      const cpu = ((after?.cpuMs ?? 0) - (before?.cpuMs ?? 0)) / (performance.now() - restedAtMs);
      const memory = after?.memory ?? (rest === "pre-created" ? await readyMemory(docker) : 0);
      const beganMs = performance.now();
      await client.echo({ text: "x" }, { deadlineMs: 60_000 });
      const tookMs = performance.now() - beganMs;
      if (number >= 0) samples.get(rest)?.push({ tookMs, memory, cpu });
    }
  }
  const rows = rests.map((rest) => {
    const all = samples.get(rest) ?? [];
    const times = all.map(({ tookMs }) => tookMs);
    return {
      what: rest,
      "p50 ms": round(median(times)),
      "p99 ms": round(quantile(times, 0.99)),
      "memory MiB": Math.round(median(all.map(({ memory }) => memory)) / 2 ** 18) / 4,
      "CPU %": Math.round(10_000 * median(all.map(({ cpu }) => cpu))) / 100,
    };
  });
  const p50 = median((samples.get("standby") ?? []).map(({ tookMs }) => tookMs));
  return {
    name: `First call after a rest, ${runtime}`,
    about: `${ROUNDS} rounds in turn. Memory: what the rest holds of the host${runtime === "docker" ? ", network sandbox included" : " (resident)"}.`,
    rows: [...rows, ...(await stages(mesh))],
    figure: { name: "standby, p50 ms", value: p50, goal: `≤ ${GOAL_MS}`, met: p50 <= GOAL_MS },
  };
}

/** Where the time of the standby's first calls went, from the first held call on. */
async function stages(mesh: TestMesh) {
  const { wakes } = await withClient(MeshConfigClient, mesh.control, (control) =>
    unary(control, "listWakes", { service: SERVICE, limit: 500 }),
  );
  const thawed = wakes.filter(({ version }) => version === RESTS.standby).slice(0, ROUNDS);
  const steps = [
    ["  standby: placed after", "placedMs"],
    ["  standby: agent has it after", "createdMs"],
    ["  standby: thawed after", "readyMs"],
    ["  standby: pushed after", "pushedMs"],
    ["  standby: released after", "releasedMs"],
  ] as const;
  return steps.map(([what, stage]) => {
    const times = thawed.map((wake) => wake[stage] - wake.heldMs);
    return { what, "p50 ms": round(median(times)), "p99 ms": round(quantile(times, 0.99)) };
  });
}

async function isAtRest(mesh: TestMesh, rest: Rest): Promise<boolean> {
  const instance = await instanceOf(mesh, RESTS[rest]);
  switch (rest) {
    case "warm":
      return instance?.state === InstanceState.SERVING;
    case "standby":
      return instance?.state === InstanceState.STANDBY;
    case "pre-created": {
      const status = await withClient(AgentClient, mesh.agent, (agent) => unary(agent, "getStatus", {}));
      return instance === undefined && status.precreated > 0;
    }
    case "cold":
      if (instance !== undefined) return false;
      // Nothing stands ready for it; what was fetched and built stays.
      await withClient(AgentClient, mesh.agent, (agent) =>
        unary(agent, "forgetVersion", { fencingToken: 0, service: SERVICE, version: RESTS.cold }),
      );
      return true;
  }
}

async function instanceOf(mesh: TestMesh, version: string): Promise<Instance | undefined> {
  const { instances } = await withClient(AgentClient, mesh.agent, (agent) =>
    unary(agent, "listInstances", {}),
  );
  return instances.find(
    (one) =>
      one.version === version && one.state !== InstanceState.STOPPED && one.state !== InstanceState.FAILED,
  );
}

/** Memory in bytes and CPU time in ms that an instance has. */
async function cost(
  runtime: "process" | "docker",
  docker: Docker,
  { runtimeId }: Instance,
): Promise<{ memory: number; cpuMs: number }> {
  if (runtime === "docker") {
    const own = await containerCost(docker, runtimeId);
    const { HostConfig } = await docker.getContainer(runtimeId).inspect();
    const sandbox = await containerCost(docker, (HostConfig.NetworkMode ?? "").replace("container:", ""));
    return { memory: own.memory + sandbox.memory, cpuMs: own.cpuMs };
  }
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${runtimeId}/status`, "utf8"))?.[1];
  const stat = readFileSync(`/proc/${runtimeId}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Clock ticks are 10 ms.
  return { memory: Number(resident) * 1024, cpuMs: 10 * (Number(fields[11]) + Number(fields[12])) };
}

async function containerCost(docker: Docker, id: string): Promise<{ memory: number; cpuMs: number }> {
  const stats = await docker.getContainer(id).stats({ stream: false, "one-shot": true });
  const { usage, stats: parts } = stats.memory_stats;
  // As "docker stats" has it: without what the page cache would give back at once.
  const reclaimable = parts?.total_inactive_file ?? parts?.inactive_file ?? 0;
  return { memory: (usage ?? 0) - reclaimable, cpuMs: stats.cpu_stats.cpu_usage.total_usage / 1e6 };
}

/** What a container that stands ready holds: itself nothing yet, its sandbox a little. */
async function readyMemory(docker: Docker): Promise<number> {
  const all = await docker.listContainers({ all: true, filters: { label: ["rouse.kind=instance"] } });
  const ready = all.find(({ State, Labels }) => {
    return State === "created" && Labels["rouse.version"] === RESTS["pre-created"];
  });
  const network = ready?.HostConfig.NetworkMode ?? "";
  if (!network.startsWith("container:")) return 0;
  return (await containerCost(docker, network.slice("container:".length))).memory;
}
