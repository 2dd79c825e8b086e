import { describe, expect, test } from "vitest";
import type { Activation, InstanceState, VersionManifest } from "../registry/state.ts";
import { backOffMs, nextGeneration, type PlanContext, planVersion, type VersionView } from "./plan.ts";

const manifest: VersionManifest = {
  schema: "rouse.manifest/v1",
  service: "a.v1.A",
  version: "1.0.0",
  summary: "",
  description: "",
  owner: "o",
  exposure: "internal",
  resources: { cpu: 0.5, memory: 2 ** 28, gpu: 0, labels: {} },
  startTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  targetConcurrency: 100,
  minInstances: 0,
  maxInstances: 4,
  sessionKey: "",
  loadBalancing: "round_robin",
  methods: [],
};

function instance(id: string, generation: number, over: Partial<InstanceState> = {}): InstanceState {
  const place = { host: "h", runtime: "process", address: "127.0.0.1:1" };
  return { id, generation, ...place, healthy: true, draining: false, ...over };
}

interface Given extends Partial<Omit<VersionView, "state">> {
  readonly activation?: Activation;
  readonly instances?: readonly InstanceState[];
  readonly manifest?: Partial<VersionManifest>;
}

function view(given: Given = {}): VersionView {
  const { activation = { generation: 1 }, instances = [], manifest: over = {}, ...rest } = given;
  return {
    service: "a.v1.A",
    version: "1.0.0",
    state: {
      manifest: { ...manifest, ...over },
      deployment: { artifact: { kind: "bundle", digest: "d" }, env: {}, mounts: [], registeredAtMs: 0 },
      activation,
      instances,
    },
    starting: [],
    stopping: new Set(),
    wantedSinceMs: undefined,
    lastActiveMs: 0,
    loadsUntilMs: 1_000_000,
    drained: () => false,
    drainingSinceMs: () => 0,
    ...rest,
  };
}

const context: PlanContext = { nowMs: 1_000_000, stopDrainMs: 30_000, place: () => ({ host: "h" }) };
const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };

function actions(given: Given, over: Partial<PlanContext> = {}) {
  return planVersion(view(given), { ...context, ...over }).actions;
}

describe("a cold version", () => {
  test("rests while nobody calls", () => {
    expect(actions({})).toEqual([]);
  });

  test("is started when wanted", () => {
    expect(actions({ wantedSinceMs: 1_000_000 })).toEqual([{ kind: "start", target, host: "h" }]);
  });

  test("is not started while it may not run", () => {
    const { state } = view({ manifest: { minInstances: 2 } });
    const barred = { ...state, approval: "pending", barred: true } as const;
    expect(planVersion({ ...view({ wantedSinceMs: 1_000_000 }), state: barred }, context).actions).toEqual(
      [],
    );
  });

  test("is not started twice", () => {
    expect(actions({ wantedSinceMs: 1_000_000, starting: [{ instanceId: "i", generation: 1 }] })).toEqual([]);
  });

  test("a start of an older generation does not count", () => {
    const given = {
      wantedSinceMs: 1_000_000,
      activation: { generation: 2 },
      starting: [{ instanceId: "i", generation: 1 }],
    };
    expect(actions(given)).toMatchObject([{ kind: "start", target: { generation: 2 } }]);
  });

  test("fails with the reason when no host fits", () => {
    const place = () => ({ reason: "no host fits: h has 0 of 1 cores free" });
    expect(actions({ wantedSinceMs: 1_000_000 }, { place })).toEqual([
      { kind: "fail", target, message: "no host fits: h has 0 of 1 cores free" },
    ]);
  });

  test("waits for a host when there is none, as long as its start may take", () => {
    const place = () => ({ reason: "no host has announced itself", empty: true }) as const;
    const waiting = planVersion(view({ wantedSinceMs: 970_001 }), { ...context, place });
    expect(waiting).toEqual({ actions: [], lookAgainMs: 1_001_000 });
    expect(actions({ wantedSinceMs: 970_000 }, { place })).toMatchObject([{ kind: "fail" }]);
  });

  test("is started up to its minimum", () => {
    const given = { manifest: { minInstances: 2 }, instances: [instance("i", 1)] };
    expect(actions(given)).toMatchObject([{ kind: "start" }]);
    expect(actions({ ...given, starting: [{ instanceId: "j", generation: 1 }] })).toEqual([]);
  });
});

describe("a warm version", () => {
  const warm: Given = { activation: { generation: 1, served: true }, instances: [instance("i", 1)] };
  const idle = { kind: "next-generation", target, reason: "idle" };

  test("goes to the next generation after its idle timeout, and not before", () => {
    expect(actions({ ...warm, lastActiveMs: 940_000 })).toEqual([idle]);
    const plan = planVersion(view({ ...warm, lastActiveMs: 940_001 }), context);
    expect(plan.actions).toEqual([]);
    expect(plan.lookAgainMs).toBe(1_000_250);
    expect(planVersion(view({ ...warm, lastActiveMs: 990_000 }), context).lookAgainMs).toBe(1_050_000);
  });

  test.each<[string, Given]>([
    ["loads are not known until then", { lastActiveMs: 900_000, loadsUntilMs: 959_999 }],
    ["it keeps a minimum", { manifest: { minInstances: 1 } }],
    ["it never goes idle", { manifest: { idleTimeoutMs: 0 } }],
  ])("stays when %s", (_why, given) => {
    expect(actions({ ...warm, ...given })).toEqual([]);
  });

  test("moves on when its last instance ended, since Envoys will not ask for the old name again", () => {
    expect(actions({ activation: { generation: 1, served: true } })).toEqual([
      { kind: "next-generation", target, reason: "its last instance ended" },
    ]);
  });

  test("an instance that stops or drains is none", () => {
    expect(actions({ ...warm, stopping: new Set(["i"]) })).toMatchObject([{ kind: "next-generation" }]);
    expect(actions({ ...warm, instances: [instance("i", 1, { draining: true })] })).toMatchObject([
      { kind: "next-generation" },
    ]);
  });
});

describe("a retired generation", () => {
  const retired: Given = { activation: { generation: 2 }, instances: [instance("i", 1)] };

  test("is kept until every mesh-config has drained it", () => {
    expect(actions(retired)).toEqual([]);
    expect(actions({ ...retired, drained: (generation) => generation === 1 })).toMatchObject([
      { kind: "stop", instance: { id: "i" }, reason: "idle" },
    ]);
  });

  test("is taken over when the version is wanted again", () => {
    const given = { ...retired, wantedSinceMs: 1_000_000, drained: () => true };
    expect(actions(given)).toMatchObject([
      { kind: "adopt", target: { generation: 2 }, instance: { id: "i" } },
    ]);
  });

  test("is not taken over once its stop is under way", () => {
    expect(actions({ ...retired, wantedSinceMs: 1_000_000, stopping: new Set(["i"]) })).toMatchObject([
      { kind: "start" },
    ]);
  });
});

describe("a failed version", () => {
  const failure = { status: "UNAVAILABLE", message: "m", retryAtMs: 1_000_000 };

  test("is not started before its back-off ends", () => {
    const given = { wantedSinceMs: 1_000_000, activation: { generation: 1, failure } };
    const plan = planVersion(view(given), { ...context, nowMs: 999_999 });
    expect(plan).toEqual({ actions: [], lookAgainMs: 1_000_000 });
  });

  test("moves on when the back-off ends, and keeps the count of failures", () => {
    const activation = { generation: 1, failures: 3, failure };
    expect(actions({ activation })).toMatchObject([{ kind: "next-generation" }]);
    expect(nextGeneration(activation)).toEqual({ generation: 2, failures: 3 });
  });

  test("backs off from 2 s to 5 min", () => {
    expect([1, 2, 3, 9, 50].map(backOffMs)).toEqual([2_000, 4_000, 8_000, 300_000, 300_000]);
  });
});

describe("a stopped version", () => {
  const stopped = { reason: "broken data", atMs: 1 };

  test("is not started, wanted or not", () => {
    const activation = { generation: 2, stopped };
    expect(actions({ activation, wantedSinceMs: 1_000_000, manifest: { minInstances: 1 } })).toEqual([]);
  });

  test("ends its instances when they have drained, or when the drain takes too long", () => {
    const given = { activation: { generation: 2, stopped }, instances: [instance("i", 1)] };
    const plan = planVersion(view({ ...given, drainingSinceMs: () => 990_000 }), context);
    expect(plan).toEqual({ actions: [], lookAgainMs: 1_020_000 });
    expect(actions({ ...given, drainingSinceMs: () => 970_000 })).toMatchObject([{ kind: "stop" }]);
    expect(actions({ ...given, drained: () => true })).toMatchObject([{ kind: "stop" }]);
  });
});
