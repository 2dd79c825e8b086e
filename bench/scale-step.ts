import { setTimeout as sleep } from "node:timers/promises";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions } from "../test/support/live.ts";
import type { TestMesh } from "../test/support/mesh.ts";
import type { ProbeOptions } from "../test/support/probe.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const FEW = 1;
const MANY = 1_000;
/** Each call takes so long: a crowd that waits, rather than one that needs all cores. ms. */
const CALL_MS = 1_000;
const TARGET = 125;
const MOST = 10;
/** The share of its target up to which an instance has enough: the contract's high watermark. */
const HIGH = 0.8;
/** Instances that so many callers need, by the one measure that tells when there is room, and what would have been ideal. */
const neededFor = (callers: number) => Math.ceil(callers / (TARGET * HIGH));
const NEEDED = neededFor(MANY);
const PHASES = [
  { callers: FEW, seconds: 5 },
  { callers: MANY, seconds: 30 },
  { callers: FEW, seconds: 30 },
];
const LOOK_MS = 50;
/** An Envoy takes 1,000 streams on one connection of the edge. */
const CONNECTIONS = 4;

/** One way to be ready for a crowd. */
interface Way {
  readonly what: string;
  readonly version: string;
  readonly minInstances: number;
}

const WAYS: readonly Way[] = [
  { what: "as the load needs", version: "1.0.0", minInstances: 1 },
  { what: "always ten", version: "2.0.0", minInstances: MOST },
];

/**
 * A step of load from 1 to 1,000 callers and back, on instances that follow the load and on ten that are always there: how long
 * until there is room for all, which calls are lost, and what it costs.
 */
export default async function scaleStep(): Promise<BenchResult> {
  await using subject = await startSubject("process", WAYS.map(probeOf));
  const rows = [];
  let lost = 0;
  for (const way of WAYS) {
    const found = await run(subject.mesh, way);
    lost += found.lost;
    rows.push({ what: way.what, ...found });
  }
  return {
    name: "Step of load",
    about: `From ${FEW} to ${MANY} callers for ${PHASES[1]?.seconds} s and back for ${PHASES[2]?.seconds} s; each call takes ${CALL_MS} ms, an instance should have ${TARGET}, and at most ${HIGH} of them before there is another: ${NEEDED} instances are what ${MANY} callers need. Instance-seconds are of the ${PHASES.reduce((sum, { seconds }) => sum + seconds, 0)} s, ideal are those of just as many as the callers need at each moment.`,
    rows,
    figure: { name: "calls lost", value: lost, goal: "0", met: lost === 0 },
  };
}

function probeOf({ version, minInstances }: Way): ProbeOptions {
  const scaling = 'scaling: {stable_window: "10s", panic_window: "2s", scale_down_delay: "5s"}';
  return {
    version,
    cpu: 0.1,
    edit: (contract) =>
      contract.replace(
        "min_instances: 0",
        `min_instances: ${minInstances} max_instances: ${MOST} target_concurrency: ${TARGET} ${scaling}`,
      ),
  };
}

async function run(mesh: TestMesh, { version, minInstances }: Way) {
  const clients = Array.from({ length: CONNECTIONS }, (_, n) =>
    createProbeServiceClient({ target: mesh.edge, version, retries: 0, maxResponseBytes: 2 ** 20 + n }),
  );
  const [first] = clients;
  await first?.echo({ text: "wake" }, { deadlineMs: 60_000 });
  while ((await serving(mesh, version)) < minInstances) await sleep(LOOK_MS);
  const times: number[] = [];
  const lost: string[] = [];
  let wanted = 0;
  const caller = async (number: number) => {
    const client = clients[number % clients.length];
    while (number < wanted && client !== undefined) {
      const beganMs = performance.now();
      try {
        await client.wait({ ms: CALL_MS }, { deadlineMs: 60_000 });
        times.push(performance.now() - beganMs);
      } catch (error) {
        lost.push(String(error));
        await sleep(100);
      }
    }
  };
  const watch = watchInstances(mesh, version);
  const callers: Promise<void>[] = [];
  let steppedMs = 0;
  let idealSeconds = 0;
  for (const { callers: count, seconds } of PHASES) {
    const from = wanted;
    wanted = count;
    for (let number = from; number < count; number++) callers.push(caller(number));
    if (count === MANY) steppedMs = performance.now();
    idealSeconds += neededFor(count) * seconds;
    await sleep(seconds * 1_000);
  }
  wanted = 0;
  await Promise.all(callers);
  const { reachedMs, most, instanceSeconds } = await watch.end();
  for (const client of clients) client.close();
  if (lost.length > 0) console.error(`lost, the first of ${lost.length}: ${lost[0]}`);
  return {
    calls: times.length,
    lost: lost.length,
    "p50 ms": round(quantile(times, 0.5)),
    "p99 ms": round(quantile(times, 0.99)),
    "s to capacity": round(Math.max(0, reachedMs - steppedMs) / 1_000),
    "most instances": most,
    "instance-seconds": Math.round(instanceSeconds),
    ideal: idealSeconds,
  };
}

async function serving(mesh: TestMesh, version: string): Promise<number> {
  const versions = await liveVersions(mesh, SERVICE);
  return versions.find((one) => one.version === version)?.instances.length ?? 0;
}

/** Sums the instances that run over time, and notes when there were enough. */
function watchInstances(mesh: TestMesh, version: string) {
  let running = true;
  const found = { reachedMs: Number.POSITIVE_INFINITY, most: 0, instanceSeconds: 0 };
  const watching = (async () => {
    let atMs = performance.now();
    while (running) {
      const count = await serving(mesh, version);
      const nowMs = performance.now();
      found.instanceSeconds += (count * (nowMs - atMs)) / 1_000;
      found.most = Math.max(found.most, count);
      if (count >= NEEDED) found.reachedMs = Math.min(found.reachedMs, nowMs);
      atMs = nowMs;
      await sleep(LOOK_MS);
    }
  })();
  return {
    async end() {
      running = false;
      await watching;
      return found;
    },
  };
}
