import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { OrderState, OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { ArtifactClient } from "../agent/jobs/artifact-client.ts";
import { Gateway, type JobVoice } from "../agent/jobs/gateway.ts";
import { checkJob } from "../agent/jobs/spec.ts";
import { type JobRig, startJobRig } from "../agent/jobs/testing/rig.ts";
import { findEngine, removeBundleImage } from "../agent/testing/docker.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { MisbehaveResponse } from "../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { startMesh, type TestMesh } from "../test/support/mesh.ts";
import { makeProbe } from "../test/support/probe.ts";
import { type BenchResult, median, quantile, round } from "./table.ts";

const ROUNDS = 20;

/** Milliseconds from being asked for to the handler's first line, and to the end of it all, container removed. */
interface Took {
  readonly toHandler: number;
  readonly toEnd: number;
}

const nowMs = () => performance.timeOrigin + performance.now();
const handlerMs = (response: Uint8Array) => Number(MisbehaveResponse.decode(response).found.ms);

/**
 * Starts a job over `docker run` of the same image with the same program, which finds the same socket in a mount: the sandbox, its
 * limits, and the agent's own bookkeeping are what differs. And the same job by an order through a whole mesh: checked, queued, placed and
 * written down on its way. In turn, in one run.
 */
export default async function jobStart(): Promise<BenchResult> {
  const { engine } = await findEngine();
  const rig = await startJobRig();
  const mesh = await startMesh({ runtime: "docker" });
  const fixture = await makeProbe({ fixture: "jobs" });
  try {
    await fixture.register(mesh.data);
    // Image, caches and code are warm for all.
    const warm = await rig.done("warm", rig.misbehaves("clock"));
    if (warm.state !== JobState.SUCCEEDED) throw new Error(warm.error?.message);
    await ordered(mesh);
    const took: Record<string, Took[]> = {
      job: [],
      "order of a job": [],
      "docker run": [],
      "docker run --network none": [],
    };
    for (let round = 0; round < ROUNDS; round++) {
      took["order of a job"]?.push(await ordered(mesh));
      took.job?.push(await job(rig, `bench-${round}`));
      took["docker run"]?.push(await dockerRun(rig, []));
      took["docker run --network none"]?.push(await dockerRun(rig, ["--network", "none"]));
    }
    const middle = (name: string, what: keyof Took) => median((took[name] ?? []).map((one) => one[what]));
    const ratio = middle("job", "toHandler") / middle("docker run", "toHandler");
    return {
      name: "job-start",
      about: `from the agent's being asked (of an order: from CreateOrder at the edge) to the handler's first line, and to the end with the container removed (of an order: to the answer that it has succeeded); ms, medians of ${ROUNDS} in turn`,
      rows: Object.entries(took).map(([name, all]) => ({
        start: name,
        "to the handler": round(median(all.map(({ toHandler }) => toHandler))),
        p90: round(
          quantile(
            all.map(({ toHandler }) => toHandler),
            0.9,
          ),
        ),
        "over docker run": round(middle(name, "toHandler") / middle("docker run", "toHandler")),
        "to the end": round(median(all.map(({ toEnd }) => toEnd))),
      })),
      figure: { name: "job / docker run", value: round(ratio), goal: "<= 1", met: ratio <= 1 },
    };
  } finally {
    await mesh.close();
    await fixture.remove();
    await rig.close();
    for (const { digest } of [rig.bundle, rig.rig.bundle]) await removeBundleImage(engine, digest);
  }
}

async function job(rig: JobRig, id: string): Promise<Took> {
  const beganMs = nowMs();
  const { result, error } = await rig.done(id, rig.misbehaves("clock"));
  const endedMs = nowMs();
  if (result === undefined) throw new Error(error?.message);
  return { toHandler: handlerMs(result) - beganMs, toEnd: endedMs - beganMs };
}

async function ordered(mesh: TestMesh): Promise<Took> {
  return withClient(OrdersClient, mesh.edge, async (orders) => {
    const parameters = '{"how":"clock"}';
    const task = { name: "", service: "jobs.v1.JobsService", version: "", method: "Misbehave", parameters };
    const tasks = [{ ...task, inputs: {}, metadata: {}, after: [] }];
    const order = { name: "", tasks, metadata: {}, idempotencyKey: "", keepMs: 0, validateOnly: false };
    const beganMs = nowMs();
    const { id } = await unary(orders, "createOrder", order, { deadlineMs: 90_000 });
    const ended = await unary(orders, "waitOrder", { id, timeoutMs: 0 }, { deadlineMs: 90_000 });
    const endedMs = nowMs();
    if (ended.state !== OrderState.SUCCEEDED) throw new Error(ended.error?.message);
    const { found } = JSON.parse(ended.tasks[0]?.result ?? "") as { found: { ms: string } };
    return { toHandler: Number(found.ms) - beganMs, toEnd: endedMs - beganMs };
  });
}

async function dockerRun(rig: JobRig, flags: readonly string[]): Promise<Took> {
  const folder = await mkdtemp(join(tmpdir(), "bare-job-"));
  const told = Promise.withResolvers<Buffer>();
  const gateway = new Gateway(voice(rig, told), new ArtifactClient(() => Promise.reject(new Error("none"))));
  try {
    await chmod(folder, 0o755);
    await gateway.listen(folder);
    const image = `rouse/bundle:${rig.bundle.digest.slice(0, 32)}`;
    const mount = ["-v", `${folder}:/run/rouse`, "-e", "ROUSE_JOB=unix:/run/rouse/job.sock"];
    const beganMs = nowMs();
    const child = spawn("docker", ["run", "--rm", ...flags, ...mount, image], { stdio: "ignore" });
    const exited = once(child, "exit");
    const response = await told.promise;
    await exited;
    return { toHandler: handlerMs(response) - beganMs, toEnd: nowMs() - beganMs };
  } finally {
    gateway.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function voice(rig: JobRig, told: PromiseWithResolvers<Buffer>): JobVoice {
  return {
    id: "bare",
    spec: checkJob(rig.misbehaves("clock")),
    deadlineMs: Date.now() + 60_000,
    outputs: [],
    writtenBytes: 0,
    metadata: {},
    progress: () => undefined,
    note: () => undefined,
    output: () => undefined,
    result: async (result) => {
      if ("bytes" in result) told.resolve(result.bytes);
    },
    failed: async ({ message }) => told.reject(new Error(message)),
    stumbled: () => undefined,
    streamed: () => undefined,
    streaming: () => undefined,
    moved: () => undefined,
  };
}
