import { expect, test } from "vitest";
import { instance, manifest, TestMesh, version } from "../../mesh-config/testing/state.ts";
import type { HostState } from "../../registry/hosts.ts";
import { Starts } from "../starts.ts";
import { artifactOf } from "./needs.ts";
import { Placer } from "./placer.ts";
import { hostState } from "./testing/fleet.ts";

const target = { service: "a.v1.A", version: "1.0.0" };
const resources = { cpu: 0.5, memory: 2 ** 28, gpu: 0, labels: {} };
const state = version(manifest(target.service, target.version, { resources }));

/** What a host has that has it ready. */
const held = new Set([artifactOf(state.deployment)]);

function placerOf(...hosts: HostState[]): Placer {
  const mesh = new TestMesh();
  mesh.put(state);
  return new Placer({ current: () => mesh.state, hosts: () => hosts }, new Starts());
}

test("a host is chosen with its reasons, and none without", () => {
  const placer = placerOf(hostState("a"), hostState("b", { cpu: 0.25 }));
  expect(placer.place(state)).toEqual({
    host: "a",
    why: "best of 1 that fit, of 2 hosts: 0.18 = fit 0.18",
  });
  expect(placerOf(hostState("b", { cpu: 0.25 })).place(state).reason).toBe(
    "no host fits: b has 0.25 of 0.25 cores free, 0.5 needed. What would help: add a host with 0.5 cores, 256 MiB memory",
  );
});

test("what would help is told of hosts as the index has them", () => {
  const mode = { mode: "cordoned" as const, reason: "", atMs: 1 };
  expect(placerOf(hostState("a", { cpu: 0.25 }), hostState("b", { mode })).changes(state)).toEqual([
    "uncordon b",
  ]);
});

test("in place of one that is out another may be beside it, where strict rules leave no other host", () => {
  const spread = [{ over: "host", strict: true, weight: 100 }];
  const antiAffinity = [{ service: target.service, strict: true, weight: 100 }];
  for (const placement of [
    { spread, affinity: [], antiAffinity: [] },
    { spread: [], affinity: [], antiAffinity },
  ]) {
    const there = { ...instance("1", 1, "127.0.0.1:2"), host: "a" };
    const apart = version(
      manifest(target.service, target.version, { resources, placement }),
      { generation: 1 },
      [there],
    );
    const placer = (...hosts: HostState[]) => {
      const mesh = new TestMesh();
      mesh.put(apart);
      return new Placer({ current: () => mesh.state, hosts: () => hosts }, new Starts());
    };
    const out = new Set(["1"]);
    const one = placer(hostState("a"));
    expect(one.place(apart).reason).toContain("no host fits");
    expect(one.place(apart, 1, new Set(["2"])).reason).toContain("no host fits");
    expect(one.place(apart, 1, out).host).toBe("a");
    const judged = (of: Placer, ids: ReadonlySet<string>) =>
      of.judge(apart, 1, ids).map(({ host, fits }) => [host.name, fits]);
    expect(judged(one, out)).toEqual([["a", true]]);
    expect(judged(one, new Set(["2"]))).toEqual([["a", false]]);
    const two = placer(hostState("a"), hostState("b"));
    expect(two.place(apart, 1, out).host).toBe("b");
    expect(judged(two, out)).toEqual([
      ["b", true],
      ["a", false],
    ]);
    // It takes its room all the same.
    expect(placer(hostState("a", { cpu: 0.75 })).place(apart, 1, out).reason).toContain("no host fits");
  }
});

test("one that is out costs until its end: with what takes its place it stays within the limit", () => {
  const spread = [{ over: "host", strict: true, weight: 100 }];
  const there = { ...instance("1", 1, "127.0.0.1:2"), host: "a" };
  const out = new Set(["1"]);
  for (const [maxCostPerHour, isPlaced] of [
    [1.5, false],
    [2, true],
  ] as const) {
    const placement = { spread, affinity: [], antiAffinity: [], maxCostPerHour };
    const limited = version(
      manifest(target.service, target.version, { resources, placement }),
      { generation: 1 },
      [there],
    );
    const mesh = new TestMesh();
    mesh.put(limited);
    // Each takes an eighth of the host.
    const hosts = [hostState("a", { costPerHour: 8 })];
    const placer = new Placer({ current: () => mesh.state, hosts: () => hosts }, new Starts());
    expect(placer.place(limited, 1, out).host).toBe(isPlaced ? "a" : undefined);
    expect(placer.judge(limited, 1, out)).toMatchObject([{ fits: isPlaced }]);
  }
});

test("where a version was made ready it starts, unless that host is quarantined", () => {
  const placer = placerOf(hostState("a"), hostState("b"));
  placer.setPrepared("b", held);
  expect(placer.place(state).host).toBe("b");
  const health = {
    condition: "quarantined" as const,
    sinceMs: 1,
    reason: "three versions failed",
    strikes: 1,
  };
  const sick = placerOf(hostState("a"), hostState("b", { health }));
  sick.setPrepared("b", held);
  expect(sick.place(state).host).toBe("a");
  expect(placerOf(hostState("b", { health })).place(state).host).toBe("b");
});

test("what a host has is what its agent said last", () => {
  const placer = placerOf(hostState("a"), hostState("b"));
  placer.setPrepared("b", held);
  expect(placer.place(state)).toMatchObject({ host: "b", why: expect.stringContaining("prepared 0.25") });
  placer.setPrepared("b", new Set(["another"]));
  expect(placer.place(state).host).toBe("a");
  placer.setPrepared("b", held);
  expect(placer.place(state).host).toBe("b");
  placer.setPrepared("b", undefined);
  expect(placer.place(state).host).toBe("a");
});

test("where a start has just failed the next one is not tried while there is another host", () => {
  const placer = placerOf(hostState("a"), hostState("b"));
  placer.noteFailed(target, "a", 1_000);
  expect(placer.place(state, 2_000).host).toBe("b");
  placer.noteFailed(target, "b", 1_500);
  expect(placer.place(state, 2_000).host).toBe("a");
  placer.noteServed(target, "b");
  expect(placer.place(state, 2_000).host).toBe("b");
  expect(placer.place(state, 301_000).host).toBe("a");
  expect(placer.fitsBeside(state, new Set(["a"]))).toBe(true);
  expect(placer.fitsBeside(state, new Set(["a", "b"]))).toBe(false);
});
