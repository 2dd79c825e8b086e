import { setTimeout as sleep } from "node:timers/promises";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions } from "../test/support/live.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const VERSIONS = 5;
const ROUNDS = 100;
const CALLERS = 4;

/**
 * 500 rounds of idling and waking while another version of the service is called all the time. Each round ends with one
 * call some time about the moment when the version goes idle, which is when a mesh would lose it.
 */
export default async function idleWake(): Promise<BenchResult> {
  const restless = Array.from({ length: VERSIONS }, (_, n) => `1.${n}.0`);
  await using subject = await startSubject("process", [
    { version: "2.0.0", cpu: 0.5 },
    ...restless.map((version) => ({ version, idleTimeout: "1s", cpu: 0.25 })),
  ]);
  const { mesh } = subject;
  const background: number[] = [];
  const rounds: number[] = [];
  const lost: string[] = [];
  const timed = async (into: number[], call: () => Promise<unknown>) => {
    const beganMs = performance.now();
    try {
      await call();
      into.push(performance.now() - beganMs);
    } catch (error) {
      lost.push(String(error));
    }
  };
  using steady = createProbeServiceClient({ target: mesh.edge, version: "2.0.0", retries: 0 });
  await steady.echo({ text: "wake" }, { deadlineMs: 60_000 });
  let running = true;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (running) {
      await timed(background, () => steady.echo({ text: "x" }, { deadlineMs: 30_000 }));
      await sleep(4);
    }
  });
  await Promise.all(
    restless.map(async (version) => {
      using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
      for (let round = 0; round < ROUNDS; round++) {
        await timed(rounds, () => client.echo({ text: "x" }, { deadlineMs: 30_000 }));
        // Load is reported each second, so a version goes idle 1 to 2 s after its last call: sweep over that.
        await sleep(950 + (round % 50) * 25);
      }
    }),
  );
  running = false;
  await Promise.all(callers);
  const versions = await liveVersions(mesh, SERVICE);
  const generations = versions.reduce((sum, { generation }) => sum + generation - 1, 0);
  const row = (what: string, times: number[]) => ({
    what,
    calls: times.length,
    "p50 ms": round(quantile(times, 0.5)),
    "p99 ms": round(quantile(times, 0.99)),
    "max ms": round(Math.max(...times)),
  });
  return {
    name: "Idle and wake",
    about: `${VERSIONS * ROUNDS} rounds over ${VERSIONS} versions (${generations} times idle), with ${CALLERS} callers of a warm version beside.`,
    rows: [row("background", background), row("rounds", rounds)],
    figure: { name: "calls lost", value: lost.length, goal: "0", met: lost.length === 0 },
  };
}
