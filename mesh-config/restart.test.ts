import { afterEach, describe, expect, test } from "vitest";
import { nextGeneration, startRig, startsWhatIsWanted, type TestRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";

test("a restart under warm traffic fails no call and wakes nothing", async () => {
  rig = await startRig({
    prepare: (mesh) => {
      mesh.put(version(manifest(service, "1.0.0")));
      mesh.put(version(manifest(service, "2.0.0")));
    },
  });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service, "hi", { version: "1" });
  await rig.client.echo(service, "hi", { version: "2" });
  // The second one went idle, and its old cluster is still there.
  nextGeneration(rig, service, "2.0.0");
  const wanted = rig.orchestrator.wanted.length;
  let stop = false;
  const errors: unknown[] = [];
  const calling = (async () => {
    while (!stop) {
      const answer = await rig.client.echo(service, "hi", { version: "1" });
      if ("error" in answer) errors.push(answer.error.message);
    }
  })();
  for (let i = 0; i < 3; i++) {
    await rig.restartControl();
    await expect
      .poll(
        () =>
          rig
            .control()
            .status()[0]
            ?.types.map(({ acks }) => acks > 0),
        { timeout: 20_000 },
      )
      .toContain(true);
    await expect
      .poll(() =>
        rig
          .control()
          .status()[0]
          ?.types.map(({ resources }) => resources),
      )
      .toEqual([2, 2, 3, 2, 0]);
  }
  stop = true;
  await calling;
  expect(errors).toEqual([]);
  expect(rig.orchestrator.wanted.length).toBe(wanted);
  expect(await rig.client.echo(service, "hi", { version: "2" })).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted.slice(wanted)).toEqual([{ service, version: "2.0.0", generation: 2 }]);
});

test("a call that is held over a restart is asked for again and answered", async () => {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  const wanted = Promise.withResolvers<void>();
  rig.orchestrator.onWanted = () => wanted.resolve();
  const held = rig.client.echo(service);
  await wanted.promise;
  startsWhatIsWanted(rig, () => echo.address);
  await rig.restartControl();
  expect(await held).toEqual({ text: "one:hi" });
});

test("a generation that passed while the control plane was away is taken away and wakes nothing", async () => {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  await rig.restartControl(async () => {
    rig.mesh.change(service, "1.0.0", (state) => ({
      ...state,
      activation: { generation: 2 },
      instances: [],
    }));
  });
  await rig.envoy.until("/clusters", (text) => !text.includes("#1::"));
  expect(rig.orchestrator.wanted.map(({ generation }) => generation)).toEqual([1]);
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted.map(({ generation }) => generation)).toEqual([1, 2]);
});

test("a warm version that lost all instances while the control plane was away keeps its cluster", async () => {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  await rig.restartControl(async () => {
    rig.mesh.change(service, "1.0.0", (state) => ({ ...state, instances: [] }));
  });
  await expect.poll(() => rig.client.echo(service)).toMatchObject({ error: { code: 14 } });
  expect(rig.orchestrator.wanted.length).toBe(1);
  nextGeneration(rig, service, "1.0.0");
  await expect.poll(() => rig.client.echo(service)).toEqual({ text: "one:hi" });
});

test("what Envoy refuses is shown in its words, keeps what it had, and is not sent again", async () => {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  const broken = (address: string) =>
    rig.mesh.change(service, "1.0.0", (state) => ({
      ...state,
      instances: [instance("1.0.0-1", 1, address)],
    }));
  // A host name is no address for Envoy.
  broken("no-such-host:1");
  const endpoints = () =>
    rig
      .control()
      .status()[0]
      ?.types.find(({ type }) => type === "endpoint");
  await expect.poll(() => endpoints()?.nacks).toBe(1);
  expect(endpoints()?.nack).toContain("no-such-host");
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  // Other changes go on, and the refused one does not come back with them.
  rig.mesh.put(version(manifest(service, "1.1.0")));
  const call = (version: string) => () => rig.client.echo(service, "hi", { version });
  await expect.poll(call("1.1.0")).toEqual({ text: "one:hi" });
  expect(endpoints()?.nacks).toBe(1);
  broken(echo.address);
  rig.mesh.put(version(manifest(service, "1.2.0")));
  await expect.poll(call("1.2.0")).toEqual({ text: "one:hi" });
  expect(endpoints()?.nack).toBe("");
});

test("no stream is served before the first full state is there", async () => {
  rig = await startRig();
  const status = rig.control().status();
  expect(status[0]).toMatchObject({ id: "test-envoy", version: "1.40.0" });
  // Each comes when Envoy asks for it: the contracts for JSON at once with the listeners, or after them.
  expect(status[0]?.types.map(({ type, nack }) => [type, nack]).sort()).toEqual([
    ["cluster", ""],
    ["endpoint", ""],
    ["extension", ""],
    ["listener", ""],
    ["route", ""],
  ]);
});

describe("a call that is held while its version moves on without a control plane", () => {
  /** @param warm Whether the next generation has an instance by then. */
  const held = async (warm: boolean) => {
    rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
    const call = rig.client.echo(service, "hi", { version: "1", deadlineMs: 60_000 });
    await expect.poll(() => rig.orchestrator.wanted.length, { timeout: 20_000 }).toBe(1);
    const { address } = await rig.echo(service, "two");
    await rig.restartControl(async () => {
      nextGeneration(rig, service, "1.0.0");
      const instances = warm ? [instance("two", 2, address)] : [];
      rig.mesh.change(service, "1.0.0", (state) => ({ ...state, instances }));
    });
    const answer = await call;
    expect(rig.orchestrator.wanted).toHaveLength(1);
    return answer;
  };

  test("is answered by the next generation, if that serves", async () => {
    expect(await held(true)).toEqual({ text: "two:hi" });
  });

  test("is told to be made again, if that is cold, and wakes nothing", async () => {
    expect(await held(false)).toMatchObject({
      error: {
        details:
          "echo.v1.EchoService 1.0.0 was not started for this call, as control planes were away while it waited. Call again.",
      },
    });
  });
});
