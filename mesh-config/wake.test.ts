import { setTimeout as sleep } from "node:timers/promises";
import { credentials, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { MeshConfigClient, type WatchWakesResponse } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { callError } from "../sdk/grpc.ts";
import { nextGeneration, startRig, startsWhatIsWanted, type TestRig } from "./testing/rig.ts";
import { instance, manifest, type TestMesh, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";
const target = { service, version: "1.0.0", generation: 1 };
const one = (mesh: TestMesh) => mesh.put(version(manifest(service, "1.0.0")));

test("a call to a cold version is held until an instance is ready", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted).toEqual([target]);
  expect(await rig.inner.echo(service, "again")).toEqual({ text: "one:again" });
  const [wake] = rig.control().wakes.list("", 0);
  expect(wake).toMatchObject({ ...target, error: "" });
  expect(wake?.releasedMs).toBeGreaterThan(wake?.pushedMs ?? 0);
  expect(wake?.pushedMs).toBeGreaterThan(wake?.heldMs ?? 0);
});

test("100 calls at once on both listeners are one wish", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  const calls = Array.from({ length: 100 }, (_, i) => (i % 2 ? rig.client : rig.inner).echo(service, `${i}`));
  expect(await Promise.all(calls)).toEqual(calls.map((_, i) => ({ text: `one:${i}` })));
  expect(rig.orchestrator.wanted).toEqual([target]);
});

test("4 MB sent to a cold version arrive whole", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  const stream = rig.client.chat(service);
  const received: Buffer[] = [];
  stream.on("data", (part: Buffer) => received.push(part));
  const part = Buffer.alloc(64 << 10, "x");
  for (let i = 0; i < 64; i++) stream.write(part);
  stream.end();
  await new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
  expect(Buffer.concat(received).length).toBe(4 << 20);
});

test("a start may take as long as its contract says, also longer than Envoy waits for an answer", async () => {
  rig = await startRig({
    prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0", { startTimeoutMs: 120_000 }))),
  });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, async () => {
    // Envoy takes the cluster for missing then.
    await expect
      .poll(() => rig.envoy.stat("cluster_manager.odcds.init_fetch_timeout"), { timeout: 60_000 })
      .toBe(1);
    return echo.address;
  });
  expect(await rig.client.echo(service, "hi", { deadlineMs: 120_000 })).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted).toEqual([target]);
});

test("a call that waits for a version that is unregistered meanwhile is told so", async () => {
  rig = await startRig({ prepare: one });
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service, "hi", { deadlineMs: 120_000 });
  await wanted.promise;
  rig.mesh.remove(service);
  const answer = await held;
  if (!("error" in answer)) throw new Error("the call was answered");
  expect(callError(answer.error)).toMatchObject({
    status: "NOT_FOUND",
    reason: "VERSION_UNKNOWN",
    message: `${service} 1.0.0 was unregistered while the call waited for it. Ask for another version; "rouse services" lists those there are.`,
  });
});

test("two versions wake at once, the slow one does not hold back the other", async () => {
  rig = await startRig({
    prepare: (mesh) => {
      one(mesh);
      mesh.put(version(manifest(service, "2.0.0")));
    },
  });
  const first = await rig.echo(service, "one");
  const second = await rig.echo(service, "two");
  const slow = Promise.withResolvers<void>();
  startsWhatIsWanted(rig, async (wanted) => {
    if (wanted.version === "2.0.0") return second.address;
    await slow.promise;
    return first.address;
  });
  const held = rig.client.echo(service, "hi", { version: "1.0.0" });
  expect(await rig.client.echo(service, "hi", { version: "^2.0.0" })).toEqual({ text: "two:hi" });
  slow.resolve();
  expect(await held).toEqual({ text: "one:hi" });
});

test("a tag sends its share to a cold member, and wakes it", async () => {
  rig = await startRig({
    prepare: (mesh) => {
      one(mesh);
      mesh.put(version(manifest(service, "2.0.0")));
      mesh.tag(service, "release", { "1.0.0": 50, "2.0.0": 50 });
    },
  });
  const first = await rig.echo(service, "one");
  const second = await rig.echo(service, "two");
  rig.mesh.change(service, "1.0.0", (state) => ({
    ...state,
    instances: [instance("warm", 1, first.address)],
  }));
  startsWhatIsWanted(rig, () => second.address);
  const answers = await Promise.all(Array.from({ length: 60 }, () => rig.client.echo(service)));
  expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
    new Set(['{"text":"one:hi"}', '{"text":"two:hi"}']),
  );
  expect(rig.orchestrator.wanted).toEqual([{ service, version: "2.0.0", generation: 1 }]);
});

test("two cold members of a tag wake side by side", async () => {
  rig = await startRig({
    prepare: (mesh) => {
      one(mesh);
      mesh.put(version(manifest(service, "2.0.0")));
      mesh.tag(service, "beta", { "1.0.0": 50, "2.0.0": 50 });
    },
  });
  const second = await rig.echo(service, "two");
  // Version 1.0.0 never gets ready: calls to it wait, the others must not.
  const woken = Promise.withResolvers<void>();
  startsWhatIsWanted(rig, async (wanted) => {
    if (wanted.version === "2.0.0") return second.address;
    await woken.promise;
    return second.address;
  });
  const calls = Array.from({ length: 40 }, () => rig.client.echo(service, "hi", { version: "beta" }));
  expect(await Promise.race(calls)).toEqual({ text: "two:hi" });
  woken.resolve();
  expect(await Promise.all(calls)).toEqual(calls.map(() => ({ text: "two:hi" })));
});

test("held and later callers hear why a start failed; after the back-off a call wakes it again", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  const failure = { status: "RESOURCE_EXHAUSTED", message: "no host has 12 GiB – 100% true", retryAtMs: 0 };
  rig.orchestrator.onWanted = () => {
    rig.mesh.change(service, "1.0.0", (state) => ({ ...state, activation: { generation: 1, failure } }));
  };
  const message = `${service} 1.0.0 does not start: no host has 12 GiB – 100% true`;
  for (const answer of [
    await rig.client.echo(service, Buffer.alloc(3 << 20)),
    await rig.client.echo(service),
    await rig.inner.echo(service),
  ]) {
    if (!("error" in answer)) throw new Error("the call was answered");
    expect(answer.error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: message });
    expect(callError(answer.error)).toMatchObject({ reason: "START_FAILED" });
  }
  const stream = rig.client.chat(service);
  stream.write(Buffer.alloc(1 << 20));
  await expect(
    new Promise((_, reject) => stream.on("data", () => undefined).on("error", reject)),
  ).rejects.toThrow(message);
  startsWhatIsWanted(rig, () => echo.address);
  nextGeneration(rig, service, "1.0.0");
  await expect.poll(() => rig.client.echo(service)).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted).toEqual([target, { ...target, generation: 2 }]);
  expect(
    rig
      .control()
      .wakes.list(service, 5)
      .map(({ error }) => error),
  ).toEqual(["", failure.message]);
});

test("without any word from an orchestrator held callers are told so, and a late start still serves", async () => {
  rig = await startRig({
    silenceMs: 1_000,
    prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0", { startTimeoutMs: 200 }))),
  });
  const answer = await rig.client.echo(service);
  expect(answer).toMatchObject({
    error: {
      code: status.UNAVAILABLE,
      details: expect.stringContaining("did not get ready within its start timeout of 200 ms"),
    },
  });
  const echo = await rig.echo(service, "one");
  rig.orchestrator.ready(target, "i1", echo.address);
  await expect.poll(() => rig.client.echo(service)).toEqual({ text: "one:hi" });
});

test("held callers wait for as long as an orchestrator says that it tries", async () => {
  const silenceMs = 4_000;
  rig = await startRig({
    silenceMs,
    prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0", { startTimeoutMs: 100 }))),
  });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service, "hi", { deadlineMs: 120_000 });
  await wanted.promise;
  const beganMs = performance.now();
  // It would be given up by then.
  while (performance.now() - beganMs < 1.5 * silenceMs) {
    rig.orchestrator.failed(target, "it exited");
    await sleep(200);
  }
  rig.orchestrator.ready(target, "i1", echo.address);
  expect(await held).toEqual({ text: "one:hi" });
});

test("a call that is held while routes move on is answered by the generation it waits for", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service);
  await wanted.promise;
  // Another version appears, and a tag: the route table changes while the call waits.
  rig.mesh.put(version(manifest(service, "2.0.0")));
  rig.mesh.tag(service, "release", { "2.0.0": 1 });
  await rig.envoy.until("/config_dump?resource=dynamic_route_configs", (text) => text.includes("2.0.0#1"));
  rig.orchestrator.ready(target, "i1", echo.address);
  expect(await held).toEqual({ text: "one:hi" });
});

test("calls that were held for a former generation are answered by the one that took its place", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = [rig.client.echo(service), rig.inner.echo(service)];
  await wanted.promise;
  nextGeneration(rig, service, "1.0.0");
  startsWhatIsWanted(rig, () => echo.address);
  expect(await Promise.all(held)).toEqual([{ text: "one:hi" }, { text: "one:hi" }]);
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  // The stand-in goes when it has drained.
  await rig.envoy.until("/clusters", (text) => !text.includes("#1::") && text.includes("#2::"));
});

test("calls that are held for a former generation go at once to one that serves already", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service);
  await wanted.promise;
  rig.mesh.change(service, "1.0.0", (state) => ({
    ...state,
    activation: { generation: 2 },
    instances: [instance("i2", 2, echo.address)],
  }));
  expect(await held).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted.length).toBe(1);
});

test("a caller's deadline ends the wait", async () => {
  rig = await startRig({ prepare: one });
  const answer = await rig.client.echo(service, "hi", { deadlineMs: 300 });
  expect(answer).toMatchObject({ error: { code: status.DEADLINE_EXCEEDED } });
});

test("a stopped version says why, and wakes nothing", async () => {
  rig = await startRig({
    prepare: (mesh) =>
      mesh.put(
        version(manifest(service, "1.0.0"), {
          generation: 1,
          stopped: { reason: "the data is being moved.", atMs: 0 },
        }),
      ),
  });
  const answer = await rig.client.echo(service);
  if (!("error" in answer)) throw new Error("the call was answered");
  expect(answer.error).toMatchObject({
    code: status.UNAVAILABLE,
    details: `${service} 1.0.0 is stopped by an administrator: the data is being moved. ("rouse start ${service} 1.0.0" lets it run again)`,
  });
  expect(callError(answer.error)).toMatchObject({ reason: "VERSION_STOPPED" });
  expect(rig.orchestrator.wanted).toEqual([]);
});

test("who watches hears which wakes are under way, and when they end", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  const client = new MeshConfigClient(rig.control().address, credentials.createInsecure());
  const stream = client.watchWakes({}).on("error", () => undefined);
  try {
    const seen: unknown[] = [];
    for await (const { underWay } of stream as AsyncIterable<WatchWakesResponse>) {
      seen.push(underWay.map(({ version }) => version));
      if (seen.length === 1) {
        startsWhatIsWanted(rig, () => echo.address);
        rig.client.echo(service).catch(() => undefined);
      }
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([[], ["1.0.0"], []]);
  } finally {
    stream.cancel();
    client.close();
  }
});
