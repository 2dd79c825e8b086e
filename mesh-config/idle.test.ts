import { afterEach, expect, test } from "vitest";
import {
  nextGeneration,
  startRig,
  startsWhatIsWanted,
  stopsWhatDrained,
  type TestRig,
} from "./testing/rig.ts";
import { manifest, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";

async function warmRig(): Promise<void> {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  stopsWhatDrained(rig);
  await rig.client.echo(service);
}

const generation = () => rig.mesh.get(service, "1.0.0").activation.generation;
const held = () => rig.orchestrator.wanted.filter((target) => target.generation === generation()).length;

test("300 rounds of idle and wake under traffic lose no call", { timeout: 120_000 }, async () => {
  await warmRig();
  let stop = false;
  let calls = 0;
  const errors: unknown[] = [];
  const caller = async (i: number) => {
    const client = i % 2 ? rig.client : rig.inner;
    while (!stop) {
      const answer = await client.echo(service, "x".repeat(i % 3 ? 10 : 100_000));
      calls++;
      if ("error" in answer) errors.push(answer.error.message);
    }
  };
  const callers = Array.from({ length: 8 }, (_, i) => caller(i));
  for (let round = 0; round < 300; round++) {
    nextGeneration(rig, service, "1.0.0");
    // The next round begins as soon as traffic has woken this one.
    await expect.poll(held, { interval: 2, timeout: 20_000 }).toBe(1);
  }
  stop = true;
  await Promise.all(callers);
  expect(errors).toEqual([]);
  expect(calls).toBeGreaterThan(600);
  // In the end all former generations have drained and are gone.
  await expect.poll(() => rig.mesh.get(service, "1.0.0").instances.length, { timeout: 20_000 }).toBe(1);
  const clusters = async () => (await rig.envoy.admin("/clusters")).match(/^[^:]+#\d+::/gm) ?? [];
  await expect.poll(async () => new Set(await clusters()).size, { timeout: 20_000 }).toBe(1);
  expect(await rig.envoy.stat("cluster_manager.cds.update_rejected")).toBe(0);
});

test("an open stream keeps a generation from draining", async () => {
  await warmRig();
  const stream = rig.client.chat(service);
  const echoed = () => new Promise((resolve) => stream.once("data", resolve));
  stream.write(Buffer.from("a"));
  await echoed();
  nextGeneration(rig, service, "1.0.0");
  // Loads are reported each second: three of them after the move, and the stream is in each.
  const busy = () =>
    rig.orchestrator.loads.filter((loads) =>
      loads.some(({ target, inProgress }) => target?.generation === 1 && inProgress === 1),
    ).length;
  await expect.poll(busy, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
  expect(rig.orchestrator.drained).toEqual([]);
  stream.write(Buffer.from("b"));
  await echoed();
  stream.end();
  await new Promise((resolve) => stream.on("status", resolve));
  await expect.poll(() => rig.orchestrator.drained.length, { timeout: 20_000 }).toBe(1);
  expect(rig.orchestrator.drained).toEqual([{ service, version: "1.0.0", generation: 1 }]);
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
});

test("loads count the calls that began", async () => {
  await warmRig();
  // Envoy leaves out a cluster's first interval, which began before the cluster.
  const issued = async () => {
    await rig.client.echo(service);
    return rig.orchestrator.loads.flat().reduce((sum, load) => sum + load.issued, 0);
  };
  await expect.poll(issued, { interval: 100, timeout: 20_000 }).toBeGreaterThan(3);
});
