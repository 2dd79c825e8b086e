import { afterEach, expect, test } from "vitest";
import { callError } from "../sdk/grpc.ts";
import {
  nextGeneration,
  startRig,
  startsWhatIsWanted,
  stopsWhatDrained,
  type TestRig,
} from "./testing/rig.ts";
import { instance, manifest, type TestMesh, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";
const target = { service, version: "1.0.0", generation: 1 };
const one = (mesh: TestMesh) => mesh.put(version(manifest(service, "1.0.0")));

/** Resolves when the control plane serves so many Envoys. */
const serves = (index: number, envoys: number) =>
  expect.poll(() => rig.control(index).status().length, { timeout: 60_000 }).toBe(envoys);

/** Moves the Envoy from one control plane to the other. */
async function move(from: number, to: number): Promise<void> {
  await serves(from, 1);
  await rig.stopControl(from);
  await serves(to, 1);
  await rig.startControl(from);
}

test("an Envoy that moves between control planes loses no call, and no cluster changes or wakes", async () => {
  rig = await startRig({
    controlPlanes: 2,
    prepare: (mesh) => {
      one(mesh);
      mesh.put(version(manifest(service, "2.0.0")));
    },
  });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service, "hi", { version: "1" });
  await rig.client.echo(service, "hi", { version: "2" });
  nextGeneration(rig, service, "2.0.0");
  const stream = rig.client.chat(service);
  const errors: unknown[] = [];
  stream.on("error", (error) => errors.push(error));
  let echoed = 0;
  stream.on("data", () => echoed++);
  const wanted = rig.orchestrator.wanted.length;
  const updates = () => rig.envoy.stat("cluster_manager.cluster_modified");
  let stop = false;
  const calling = (async () => {
    while (!stop) {
      const answer = await rig.client.echo(service, "hi", { version: "1" });
      if ("error" in answer) errors.push(answer.error.message);
    }
  })();
  const before = await updates();
  for (const [from, to] of [
    [0, 1],
    [1, 0],
    [0, 1],
  ] as const) {
    await move(from, to);
    stream.write(Buffer.from("x"));
  }
  await expect.poll(() => echoed, { timeout: 60_000 }).toBe(3);
  expect(await updates()).toBe(before);
  stop = true;
  await calling;
  stream.end();
  expect(errors).toEqual([]);
  expect(rig.orchestrator.wanted.length).toBe(wanted);
  // The cold one is woken by the control plane that Envoy is with now.
  expect(await rig.client.echo(service, "hi", { version: "2" })).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted.slice(wanted)).toEqual([{ service, version: "2.0.0", generation: 2 }]);
});

test("a call that is held while its Envoy moves is answered", async () => {
  rig = await startRig({ controlPlanes: 2, prepare: one });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service);
  await wanted.promise;
  const again = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => again.resolve();
  await rig.stopControl(0);
  await again.promise;
  rig.orchestrator.ready(target, "i1", echo.address);
  expect(await held).toEqual({ text: "one:hi" });
});

test("calls are held until a control plane is back, also for longer than Envoy waits for an answer", async () => {
  rig = await startRig({
    controlPlanes: 2,
    prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0", { startTimeoutMs: 1_000 }))),
  });
  await serves(0, 1);
  await Promise.all([rig.stopControl(0), rig.stopControl(1)]);
  let ended = false;
  const held = rig.client.echo(service, "hi", { deadlineMs: 120_000 }).finally(() => {
    ended = true;
  });
  // Envoy takes the cluster for missing now.
  await expect
    .poll(() => rig.envoy.stat("cluster_manager.odcds.init_fetch_timeout"), { timeout: 60_000 })
    .toBe(1);
  // Whoever comes now is held, too.
  const late = rig.client.echo(service, "late", { deadlineMs: 120_000 });
  await rig.envoy.until("/stats?filter=http.edge.downstream_rq_active", (text) => text.includes(": 2"));
  expect(ended).toBe(false);
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.startControl(1);
  expect(await Promise.all([held, late])).toEqual([{ text: "one:hi" }, { text: "one:late" }]);
});

test("a call that nobody answers for the longest time that there is, is told so", async () => {
  rig = await startRig({ controlPlanes: 2, longestHoldMs: 500, prepare: one });
  await serves(0, 1);
  await Promise.all([rig.stopControl(0), rig.stopControl(1)]);
  const answer = await rig.client.echo(service);
  if (!("error" in answer)) throw new Error("the call was answered");
  expect(callError(answer.error)).toMatchObject({
    status: "UNAVAILABLE",
    reason: "START_UNANSWERED",
    message: expect.stringContaining("No instance got ready in time, and no control plane gave a reason."),
  });
  // Envoy asks again when one is back, and whoever calls then is served.
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.startControl(1);
  await expect.poll(() => rig.client.echo(service), { timeout: 60_000 }).toEqual({ text: "one:hi" });
});

test("calls that are open on a taken-over generation are reported after a move, and its cluster goes when they end", async () => {
  rig = await startRig({ controlPlanes: 2, prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  const stream = rig.client.chat(service);
  const echoed = () => new Promise((resolve) => stream.once("data", resolve));
  stream.write(Buffer.from("a"));
  await echoed();
  // The instance is taken over into the next generation.
  rig.mesh.change(service, "1.0.0", (state) => ({
    ...state,
    activation: { generation: 2 },
    instances: [instance("1.0.0-1", 2, echo.address)],
  }));
  await rig.envoy.until("/clusters", (text) => text.includes("#2::"));
  await move(0, 1);
  const told = rig.orchestrator.loads.length;
  const open = () =>
    rig.orchestrator.loads
      .slice(told)
      .filter((loads) =>
        loads.some(({ target, inProgress }) => target?.generation === 1 && inProgress === 1),
      );
  await expect.poll(() => open().length, { timeout: 60_000 }).toBeGreaterThan(1);
  stream.write(Buffer.from("b"));
  await echoed();
  stream.end();
  await rig.envoy.until("/clusters", (text) => !text.includes("#1::") && text.includes("#2::"));
});

test("what had drained at the one is open again when an Envoy brings its calls along", async () => {
  rig = await startRig({ controlPlanes: 2, prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  const stream = rig.client.chat(service);
  const echoed = () => new Promise((resolve) => stream.once("data", resolve));
  stream.write(Buffer.from("a"));
  await echoed();
  nextGeneration(rig, service, "1.0.0");
  // The second has no Envoy, and so nothing against it.
  await expect.poll(() => rig.orchestrator.drained.length, { timeout: 60_000 }).toBe(1);
  await rig.stopControl(0);
  await expect.poll(() => rig.orchestrator.reopened, { timeout: 60_000 }).toEqual([target]);
  stopsWhatDrained(rig);
  stream.write(Buffer.from("b"));
  await echoed();
  stream.end();
  await expect.poll(() => rig.orchestrator.drained.length, { timeout: 60_000 }).toBe(2);
});

test("a control plane without Envoys says so, and the other tells the load", async () => {
  rig = await startRig({ controlPlanes: 2, prepare: one });
  await expect.poll(() => new Set(rig.orchestrator.envoys), { timeout: 60_000 }).toEqual(new Set([0, 1]));
});
