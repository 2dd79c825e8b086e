import { beforeEach, describe, expect, test } from "vitest";
import { HealthProbe } from "#proto/rouse/agent/v1/agent.ts";
import type { VersionHealth } from "../../registry/health-record.ts";
import type { InstanceState, VersionState } from "../../registry/state.ts";
import type { AdvisedVersion } from "../adviser.ts";
import type { HealthKeeper } from "./keeper.ts";
import { instanceLimits, type Limits } from "./machine.ts";
import { aKeeper } from "./testing/a-keeper.ts";

const name = { service: "a.v1.A", version: "1.0.0" };
let nowMs: number;
let instances: InstanceState[];
let stored: VersionHealth | undefined;
let ended: unknown[];
let decided: string[];
let keeper: HealthKeeper;
/** Calls of the last second by instance: begun and errors. */
let calls: Record<string, readonly [begun: number, errors: number]>;

function makeKeeper(limits?: Limits): HealthKeeper {
  return aKeeper({
    ...(limits === undefined ? {} : { limits }),
    write: async (_service, _version, health) => {
      const isEmpty = Object.keys(health.instances).length === 0 && health.fault === undefined;
      stored = isEmpty ? undefined : health;
      return true;
    },
    decided: (condition, _version, id, _host, reason) => decided.push(`${id} ${condition}: ${reason}`),
    ended: (...what) => ended.push(what),
  });
}

beforeEach(() => {
  nowMs = 1_000_000;
  instances = [];
  stored = undefined;
  ended = [];
  decided = [];
  calls = {};
  keeper = makeKeeper();
});

function add(...ids: string[]): void {
  for (const id of ids)
    instances.push({
      id,
      generation: 1,
      host: `host-${id}`,
      runtime: "process",
      address: `unix:/${id}`,
      healthy: true,
      draining: false,
    });
}

function advised(of = name): AdvisedVersion {
  const state = {
    manifest: { ...of, targetConcurrency: 10 },
    activation: { generation: 1, served: true },
    instances,
    ...(stored === undefined ? {} : { health: stored }),
  } as unknown as VersionState;
  const endpoints = new Map(
    Object.entries(calls).map(([id, [issued, errors]]) => [`unix:/${id}`, { inProgress: 0, issued, errors }]),
  );
  const load = { inProgress: 0, issued: 0, errors: 0, endpoints, untilMs: nowMs, reportedMs: nowMs };
  return { ...of, state, load, starting: 0 };
}

/** One second after the other passes. @returns what is advised at the end. */
function pass(seconds: number) {
  let advice = keeper.advise(advised(), nowMs);
  for (let second = 0; second < seconds; second++) {
    nowMs += 1_000;
    advice = keeper.advise(advised(), nowMs);
  }
  return { unfit: [...(advice.unfit ?? [])], leaving: [...(advice.leaving?.keys() ?? [])] };
}

const conditions = () =>
  Object.fromEntries(keeper.list().map(({ id, known }) => [id, known.record.condition]));
const vitals = (id: string, silentMs: number) => ({
  ...{ instanceId: id, probe: HealthProbe.SERVING, silentMs },
  ...{ loopDelayMs: 0, queue: 0, inProgress: 0, ended: false },
});
const silent = (id: string, silentMs: number) => keeper.heard(`host-${id}`, [vitals(id, silentMs)]);

describe("one of two instances whose calls fail", () => {
  beforeEach(() => {
    add("a", "b");
    calls = { a: [5, 5], b: [5, 0] };
  });

  test("is quarantined, and counts no longer", () => {
    expect(pass(1)).toEqual({ unfit: [], leaving: [] });
    expect(conditions()).toEqual({ a: "suspect" });
    expect(pass(3)).toEqual({ unfit: ["a"], leaving: [] });
    expect(conditions()).toEqual({ a: "quarantined" });
    expect(stored?.instances.a).toMatchObject({ condition: "quarantined", strikes: 1 });
  });

  test("is tried again, and forgotten when it does well", () => {
    pass(4);
    calls = { b: [5, 0] };
    expect(pass(11)).toEqual({ unfit: ["a"], leaving: [] });
    expect(conditions()).toEqual({ a: "probation" });
    calls = { a: [1, 0], b: [5, 0] };
    expect(pass(20)).toEqual({ unfit: [], leaving: [] });
    expect(conditions()).toEqual({ a: "healthy" });
    pass(601);
    expect(conditions()).toEqual({});
    expect(stored).toBeUndefined();
  });

  test("is retired when it fails at each trial", () => {
    for (let seconds = 0; seconds < 300 && conditions().a !== "retired"; seconds++) pass(1);
    expect(pass(1)).toEqual({ unfit: [], leaving: ["a"] });
  });

  test("is out and on probation as long as the control plane's flags say", () => {
    keeper = makeKeeper(instanceLimits(3_000, 2_000));
    pass(4);
    expect(stored?.instances.a).toMatchObject({ condition: "quarantined", untilMs: 1_002_000 + 3_000 });
    calls = { b: [5, 0] };
    pass(1);
    expect(stored?.instances.a).toMatchObject({ condition: "probation", untilMs: nowMs + 2_000 });
  });

  test("is known to the next leader", () => {
    pass(4);
    keeper = makeKeeper();
    expect(pass(1)).toEqual({ unfit: ["a"], leaving: [] });
    expect(conditions()).toEqual({ a: "quarantined" });
  });

  test("is tried again in time by a next leader whose clock is an hour behind, and who says so", () => {
    pass(4);
    nowMs -= 3_600_000;
    keeper = makeKeeper();
    expect(pass(0)).toEqual({ unfit: ["a"], leaving: [] });
    expect(stored?.instances.a).toMatchObject({ condition: "quarantined", untilMs: nowMs + 10_000 });
    calls = { b: [5, 0] };
    pass(11);
    expect(conditions()).toEqual({ a: "probation" });
  });

  test("is used again when a person says so", () => {
    pass(4);
    calls = {};
    expect(keeper.release("a", nowMs)).toBe(true);
    expect(pass(1)).toEqual({ unfit: [], leaving: [] });
    expect(keeper.release("a", nowMs)).toBe(false);
    expect(keeper.release("nobody", nowMs)).toBe(false);
  });
});

test("the only instance goes on until another serves", () => {
  add("a");
  pass(1);
  silent("a", 12_000);
  expect(pass(10)).toEqual({ unfit: ["a"], leaving: [] });
  expect(conditions()).toEqual({ a: "suspect" });
  add("b");
  expect(pass(1)).toEqual({ unfit: ["a"], leaving: [] });
  expect(conditions()).toEqual({ a: "quarantined" });
  silent("a", 0);
  expect(pass(30)).toEqual({ unfit: [], leaving: [] });
});

test("where all do badly the version is at fault, and nobody is quarantined", () => {
  add("a", "b", "c");
  calls = { a: [5, 5], b: [5, 5], c: [6, 5] };
  expect(pass(60)).toEqual({ unfit: [], leaving: [] });
  expect(conditions()).toEqual({ a: "suspect", b: "suspect", c: "suspect" });
  expect(keeper.faults.get("a.v1.A@1.0.0")).toBe(
    "3 of its 3 instances do badly, so that it is not theirs: 5 of its last 5 calls ended with a gateway or server error",
  );
  expect(stored?.fault).toMatch(/^3 of its 3 instances/);
  calls = {};
  pass(20);
  expect(keeper.faults.size).toBe(0);
  expect(stored).toBeUndefined();
});

test("a replacement that does no better puts the version at fault, and ends the replacing", () => {
  add("a");
  calls = { a: [5, 5], b: [5, 5] };
  expect(pass(5)).toEqual({ unfit: ["a"], leaving: [] });
  add("b");
  pass(1);
  expect(keeper.faults.size).toBe(1);
  expect(pass(20)).toEqual({ unfit: [], leaving: [] });
});

test("of four, two may be out at a time", () => {
  add("a", "b", "c", "d");
  pass(1);
  for (const id of ["a", "b"]) silent(id, 12_000);
  expect(pass(5)).toEqual({ unfit: ["a", "b"], leaving: [] });
  expect(conditions()).toEqual({ a: "quarantined", b: "quarantined" });
});

describe("instances that end", () => {
  const unlist = (id: string) => {
    instances = instances.filter((one) => one.id !== id);
    pass(1);
  };
  const says = (id: string) => keeper.heard(`host-${id}`, [{ ...vitals(id, 0), ended: true }]);
  beforeEach(() => {
    add("a", "b", "c");
    pass(5);
  });

  test("are told of though nobody stopped them, whether their agent or Consul says so first", () => {
    says("a");
    expect(ended).toEqual([]);
    unlist("a");
    expect(ended).toEqual([[name, "host-a", 5_000, 2]]);
    unlist("b");
    expect(ended).toHaveLength(1);
    says("b");
    expect(ended).toEqual([
      [name, "host-a", 5_000, 2],
      [name, "host-b", 6_000, 1],
    ]);
  });

  test("are not told of when they were stopped", () => {
    instances = instances.map((one) => ({ ...one, retiring: true }));
    pass(1);
    says("a");
    for (const id of ["a", "b", "c"]) unlist(id);
    says("b");
    expect(ended).toEqual([]);
  });

  test("are those of which the agent says so: Consul, put back to an earlier state, does not show some that run", () => {
    const before = instances;
    unlist("a");
    instances = before;
    pass(10);
    says("a");
    expect(ended).toEqual([]);
    unlist("a");
    expect(ended).toEqual([[name, "host-a", 10_000, 2]]);
  });
});

test("no instance is seen to run but by what its agent says, whatever the catalog lists meanwhile", () => {
  const unseen = () => [...(keeper.advise(advised(), nowMs).unseen ?? [])];
  add("a", "b");
  expect(unseen()).toEqual(["a", "b"]);
  silent("a", 0);
  silent("b", 0);
  expect(unseen()).toEqual([]);
  const listed = instances;
  instances = [];
  expect(unseen()).toEqual([]);
  instances = listed;
  expect(unseen()).toEqual([]);
  keeper.lostSight("host-a");
  expect(unseen()).toEqual(["a"]);
});

describe("Envoys leave an instance out", () => {
  const why = "after 5 errors in a row";
  /** The Envoy of a host leaves it out now, as it did some seconds ago. */
  const leaves = (host: string, id: string, ...agoSeconds: number[]) =>
    keeper.heardOfEnvoy(
      host,
      [
        {
          ...{ ...name, address: `unix:/${id}`, why, outForMs: 15_000 },
          agoMs: [...agoSeconds, 0].map((ago) => ago * 1_000),
        },
      ],
      nowMs,
    );
  beforeEach(() => {
    add("a", "b");
    pass(200);
  });

  test("one of them once: it is suspect, and people are told", () => {
    leaves("x", "a");
    expect(pass(14)).toEqual({ unfit: [], leaving: [] });
    expect(conditions()).toEqual({ a: "suspect" });
    expect(decided).toEqual([`a suspect: the Envoy of host x left it out ${why}`]);
    pass(10);
    expect(conditions()).toEqual({});
  });

  test("two of them: it is quarantined, tried again, and what was before is forgiven", () => {
    leaves("x", "a");
    pass(1);
    leaves("y", "a");
    expect(pass(6)).toEqual({ unfit: ["a"], leaving: [] });
    expect(conditions()).toEqual({ a: "quarantined" });
    expect(decided.at(-1)).toBe(`a quarantined: the Envoys of hosts x, y left it out ${why}`);
    // An agent that is asked anew tells all again.
    leaves("x", "a", 3);
    pass(11);
    expect(conditions()).toEqual({ a: "probation" });
    leaves("x", "a");
    pass(1);
    expect(conditions()).toEqual({ a: "quarantined" });
    expect(stored?.instances.a).toMatchObject({ strikes: 2 });
  });

  test("one of them again and again", () => {
    leaves("x", "a", 20);
    expect(pass(6)).toEqual({ unfit: ["a"], leaving: [] });
    expect(conditions()).toEqual({ a: "quarantined" });
  });

  test("all instances: the version is at fault", () => {
    leaves("x", "a", 20);
    leaves("x", "b", 20);
    expect(pass(9)).toEqual({ unfit: [], leaving: [] });
    expect(keeper.faults.get("a.v1.A@1.0.0")).toMatch(/^2 of its 2 instances do badly.*the Envoy of host x/);
  });

  test("one of them much that no other does: it may be its own network, and is watched only", () => {
    const versions = ["2.0.0", "3.0.0", "4.0.0"].map((version) => ({ ...name, version }));
    const all = new Map(
      versions.map((of, n): [typeof of, InstanceState[]] => {
        instances = [];
        add(`${n}-left`, `${n}-well`);
        return [of, instances];
      }),
    );
    const adviseAll = () => {
      nowMs += 1_000;
      for (const [of, ofVersion] of all) {
        instances = ofVersion;
        keeper.advise(advised(of), nowMs);
      }
    };
    adviseAll();
    const leftOut = versions.map((of, n) => ({
      ...{ ...of, address: `unix:/${n}-left`, why, outForMs: 60_000 },
      agoMs: [20_000, 0],
    }));
    // Of two versions it is believed.
    keeper.heardOfEnvoy("x", leftOut.slice(0, 2), nowMs);
    adviseAll();
    expect(decided).toEqual([
      `0-left suspect: the Envoy of host x left it out 2 times within two minutes, the last time ${why}`,
      `1-left suspect: the Envoy of host x left it out 2 times within two minutes, the last time ${why}`,
    ]);
    keeper.heardOfEnvoy("x", leftOut.slice(2), nowMs);
    for (let seconds = 0; seconds < 10; seconds++) adviseAll();
    expect(conditions()).toEqual({ "0-left": "suspect", "1-left": "suspect", "2-left": "suspect" });
    expect(decided.at(-1)).toBe(
      `2-left suspect: the Envoy of host x left it out ${why}, as it did others on other hosts, so that it may be that host's network`,
    );
    // Another bears out what it says of one: the others of two versions are believed again.
    keeper.heardOfEnvoy("y", leftOut.slice(0, 1), nowMs);
    for (let seconds = 0; seconds < 5; seconds++) adviseAll();
    expect(conditions()).toEqual({
      "0-left": "quarantined",
      "1-left": "quarantined",
      "2-left": "quarantined",
    });
  });

  test("ten of them half of a thousand instances", () => {
    instances = [];
    const ids = Array.from({ length: 1_000 }, (_, n) => `many-${n}`);
    add(...ids);
    pass(0);
    const leftOut = ids.slice(500).map((id) => ({
      ...{ ...name, address: `unix:/${id}`, why, outForMs: 15_000 },
      agoMs: [0],
    }));
    for (let host = 0; host < 10; host++) keeper.heardOfEnvoy(`x${host}`, leftOut, nowMs);
    // Whoever walks through all of them for each of them is not done within the time of a test.
    pass(1);
    expect(Object.keys(conditions()).sort()).toEqual(ids.slice(500).sort());
  });

  test("one of them once: it is told, though the clock of the instance's host is an hour ahead", () => {
    leaves("x", "a", 20);
    const told = (id: string, startedAtMs: number) =>
      keeper
        .doubts(name, { id, address: `unix:/${id}`, startedAtMs }, nowMs)
        .ejections.map(({ host, times }) => `${host} ${times}`);
    expect(told("a", nowMs - 200_000)).toEqual(["x 2"]);
    expect(told("a", nowMs + 3_600_000)).toEqual(["x 2"]);
    // Another was at the address of this one before.
    leaves("x", "c", 20);
    nowMs += 1_000;
    add("c");
    pass(0);
    expect(told("c", nowMs)).toEqual([]);
    expect(told("c", nowMs + 3_600_000)).toEqual([]);
  });

  test("an instance at an address that another had before has a clean record", () => {
    leaves("x", "c", 20);
    nowMs += 1_000;
    add("c");
    instances = instances.map((one) => (one.id === "c" ? { ...one, startedAtMs: nowMs } : one));
    pass(7);
    expect(conditions()).toEqual({});
  });
});
