import { join } from "node:path";
import Docker from "dockerode";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { MeshConfigClient, type Wake } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { until, untilCold } from "../test/support/live.ts";
import type { TestMesh } from "../test/support/mesh.ts";
import { type BareStart, bareContainer, bareProcess, bareWorker } from "./bare-start.ts";
import { SERVICE, type Subject, startSubject } from "./subject.ts";
import { type BenchResult, median, quantile, round } from "./table.ts";

const ROUNDS = 20;

/** The first call of a cold service through Rouse, beside the start of the same bundle with nothing around it. */
export default async function coldStart(): Promise<BenchResult[]> {
  const results = [await measure("process"), await measure("in-process")];
  const engine = await new Docker().ping().then(
    () => true,
    () => false,
  );
  if (engine) results.push(await measure("docker"));
  else console.error("No Docker engine answers: the cold start in a container is left out.");
  return results;
}

async function measure(runtime: "process" | "in-process" | "docker"): Promise<BenchResult> {
  await using subject = await startSubject(runtime, [{ version: "1.0.0", idleTimeout: "1s" }]);
  const { mesh } = subject;
  using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  await client.echo({ text: "x" }, { deadlineMs: 60_000 });
  await using bare = await bareStart(runtime, subject);
  await using compiled = runtime === "docker" ? undefined : await bareStart(runtime, subject, true);
  const calledAt: number[] = [];
  const cold: number[] = [];
  const alone: number[] = [];
  const aloneCompiled: number[] = [];
  const overheads: number[] = [];
  for (let number = -1; number < ROUNDS; number++) {
    await untilCold(mesh, SERVICE);
    if (runtime === "docker") await until("a container stands ready", () => precreated(mesh));
    const beganMs = performance.now();
    calledAt.push(performance.timeOrigin + beganMs);
    await client.echo({ text: "x" }, { deadlineMs: 60_000 });
    const tookMs = performance.now() - beganMs;
    const bareMs = await bare();
    const compiledMs = await compiled?.();
    if (number < 0) continue;
    cold.push(tookMs);
    alone.push(bareMs);
    if (compiledMs !== undefined) aloneCompiled.push(compiledMs);
    overheads.push(tookMs - bareMs);
  }
  const { wakes } = await withClient(MeshConfigClient, mesh.control, (control) =>
    unary(control, "listWakes", { service: SERVICE, limit: ROUNDS }),
  );
  const overhead = median(overheads);
  const rows = [
    {
      what: "first call through Rouse",
      "p50 ms": round(median(cold)),
      "p99 ms": round(quantile(cold, 0.99)),
    },
    {
      what: "bare start to first reply",
      "p50 ms": round(median(alone)),
      "p99 ms": round(quantile(alone, 0.99)),
    },
    ...(aloneCompiled.length === 0
      ? []
      : [
          {
            what: "  with Node's compile cache",
            "p50 ms": round(median(aloneCompiled)),
            "p99 ms": round(quantile(aloneCompiled, 0.99)),
          },
        ]),
    ...stages(wakes, calledAt),
  ];
  const figure =
    runtime === "docker"
      ? { name: "first call, p50 ms", value: median(cold), goal: "≤ 250", met: median(cold) <= 250 }
      : { name: "overhead, p50 ms", value: overhead, goal: "≤ 10", met: overhead <= 10 };
  const about = `${ROUNDS} rounds in turn; overhead p50 ${round(overhead)} ms. Stages as Rouse tells them. Rouse keeps what Node compiled; the bare start compiles it${runtime === "docker" ? "" : ", but for the row that says so"}.`;
  return { name: `Cold first call, ${runtime}`, about, rows, figure };
}

/** @param calledAt when each call was made (ms since the epoch, ascending); the last before a wake is the call it was for. */
function stages(wakes: readonly Wake[], calledAt: readonly number[]) {
  const holds = wakes.map(({ heldMs }) => heldMs - (calledAt.findLast((ms) => ms <= heldMs) ?? Number.NaN));
  const steps = [
    ["place", "heldMs", "placedMs"],
    ["create", "placedMs", "createdMs"],
    ["start", "createdMs", "startedMs"],
    ["ready", "startedMs", "readyMs"],
    ["push", "readyMs", "pushedMs"],
    ["release", "pushedMs", "releasedMs"],
  ] as const;
  const times = steps.map(([name, from, to]) => [name, wakes.map((wake) => wake[to] - wake[from])] as const);
  return [["hold", holds] as const, ...times].map(([name, ms]) => ({
    what: `  ${name}`,
    "p50 ms": round(median(ms)),
    "p99 ms": round(quantile(ms, 0.99)),
  }));
}

async function bareStart(
  runtime: string,
  { mesh, probes }: Subject,
  keepsCompiled = false,
): Promise<BareStart & AsyncDisposable> {
  const app = join(probes[0]?.dir ?? "", "dist");
  const cache = keepsCompiled ? join(app, "..", "compiled") : undefined;
  if (runtime === "process") return bareProcess(app, cache);
  if (runtime === "in-process") return bareWorker(app, cache);
  const { instances } = await withClient(AgentClient, mesh.agent, (agent) =>
    unary(agent, "listInstances", {}),
  );
  const serving = instances.find(({ state }) => state === "INSTANCE_STATE_SERVING");
  return bareContainer({ docker: new Docker(), containerId: serving?.runtimeId ?? "" }, true);
}

async function precreated(mesh: TestMesh): Promise<boolean> {
  const status = await withClient(AgentClient, mesh.agent, (agent) => unary(agent, "getStatus", {}));
  return status.precreated > 0;
}
