import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { instance, manifest, TestMesh, version } from "../mesh-config/testing/state.ts";
import type { ControlPlane } from "../registry/control-planes.ts";
import { steadyMs } from "../sdk/steady.ts";
import { mayComeYet } from "./absent.ts";
import { Orchestrator } from "./orchestrator.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const service = "a.v1.A";
const target = { service, version: "1.0.0", generation: 1 };

const plane = (id: string, healthy = true): ControlPlane => ({
  ...{ id, slot: id, healthy },
  address: `${id}:1`,
  host: id,
  startedAtMs: 0,
});

/** A leader of a mesh with one version, which is idle after a second. */
function leader(...planes: readonly ControlPlane[]) {
  const mesh = new TestMesh();
  const state = version(
    manifest(service, "1.0.0", { idleTimeoutMs: 1_000 }),
    { generation: 1, served: true },
    [instance("i", 1, "127.0.0.1:9")],
  );
  mesh.put(state);
  let listed = planes;
  const orchestrator = new Orchestrator({
    id: "a",
    log: pino({ level: "silent" }),
    mesh: {
      current: () => mesh.state,
      hosts: () => [],
      controlPlanes: () => listed,
      updateActivation: mesh.updateActivation,
    },
  });
  orchestrator.lead(1);
  const { demand } = orchestrator;
  let streams = 0;
  return {
    orchestrator,
    list: (...now: readonly ControlPlane[]) => {
      listed = now;
    },
    /** A mesh-config connects, and says from then on that nobody calls and all has drained. */
    connect: (id: string) => {
      streams += 1;
      const source = `${id}/${streams}`;
      demand.connect(source, id);
      demand.markDrained(source, target);
      return setInterval(() => demand.report(source, [], steadyMs(), 1), 100);
    },
    pass: (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000),
    isIdle: () => mesh.get(service, "1.0.0").activation.generation > 1,
    hasDrained: () => demand.isDrained(target),
  };
}

test("what a control plane that has not connected to a new leader would say is no silence", async () => {
  const { connect, pass, isIdle, hasDrained } = leader(plane("a"), plane("b"), plane("c"));
  connect("a");
  connect("b");
  await pass(20);
  expect(isIdle()).toBe(false);
  expect(hasDrained()).toBe(false);
  connect("c");
  await pass(2);
  expect(isIdle()).toBe(true);
  expect(hasDrained()).toBe(true);
});

test("nobody is waited for who is silent in Consul, or for longer than half a minute", async () => {
  const silent = leader(plane("a"), plane("b", false));
  silent.connect("a");
  await silent.pass(12);
  expect(silent.isIdle()).toBe(true);
  const never = leader(plane("a"), plane("b"));
  never.connect("a");
  await never.pass(29);
  expect(never.isIdle()).toBe(false);
  await never.pass(3);
  expect(never.isIdle()).toBe(true);
});

test("one that falls silent in Consul meanwhile is waited for no more", async () => {
  const { connect, list, pass, isIdle } = leader(plane("a"), plane("b"));
  connect("a");
  await pass(15);
  expect(isIdle()).toBe(false);
  list(plane("a"), plane("b", false));
  await pass(2);
  expect(isIdle()).toBe(true);
});

test("the next leadership waits for itself", async () => {
  const { orchestrator, connect, pass, hasDrained } = leader(plane("a"), plane("b"));
  connect("a");
  connect("b");
  await pass(8);
  orchestrator.follow();
  orchestrator.lead(2);
  await pass(8);
  expect(hasDrained()).toBe(false);
  await pass(4);
  expect(hasDrained()).toBe(true);
});

test.each<[string, number, readonly ControlPlane[], boolean]>([
  ["Envoys of the former leader are on their way", 9_999, [plane("a"), plane("b")], true],
  ["all have come", 10_000, [plane("a"), plane("b")], false],
  ["one has not", 29_999, [plane("a"), plane("b"), plane("c")], true],
  ["one never comes", 30_000, [plane("a"), plane("b"), plane("c")], false],
  ["one is silent", 10_000, [plane("a"), plane("b"), plane("c", false)], false],
  ["a control plane alone connects to itself", 4_999, [plane("a")], true],
  ["it has", 5_000, [plane("a")], false],
  ["Consul has told of none", 5_000, [], false],
])("whether others may still connect: %s", (_, ledForMs, planes, may) => {
  expect(mayComeYet(ledForMs, planes, (id) => id !== "c")).toBe(may);
});
