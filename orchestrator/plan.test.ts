import { describe, expect, test } from "vitest";
import type { Activation, InstanceState, VersionManifest } from "../registry/state.ts";
import { joinAdvice, noAdvice } from "./adviser.ts";
import { nextGeneration, type PlanContext, planVersion, retiringMs, type VersionView } from "./plan.ts";
import { backOffMs, Setbacks } from "./setbacks.ts";

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
  standby: { instances: 0, keepMs: 60_000 },
  methods: [],
};

function instance(id: string, generation: number, over: Partial<InstanceState> = {}): InstanceState {
  const place = { host: "h", runtime: "process", address: "127.0.0.1:1" };
  return { id, generation, ...place, healthy: true, draining: false, ...over };
}

/** Nobody called; that is known until `untilMs`. */
function silence(untilMs = 1_000_000): VersionView["load"] {
  return { inProgress: 0, issued: 0, errors: 0, endpoints: new Map(), untilMs, reportedMs: untilMs };
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
    sentAhead: new Set(),
    lastActiveMs: 0,
    load: silence(),
    drained: () => false,
    drainingSinceMs: () => 0,
    retiringSinceMs: () => 0,
    startAgainMs: 0,
    advice: noAdvice,
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
    ["loads are not known until then", { lastActiveMs: 900_000, load: silence(959_999) }],
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

  test("an instance whose host is dead is none, and its end is not the version's fault", () => {
    const lost = { ...noAdvice, lost: new Set(["i"]) };
    expect(actions({ ...warm, advice: lost })).toEqual([
      { kind: "next-generation", target, reason: "its host is dead" },
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

describe("several instances", () => {
  const activation = { generation: 1, served: true };
  const place = { host: "h", runtime: "process" };
  const at = (id: string, port: number, over: Partial<InstanceState> = {}) =>
    instance(id, 1, { ...place, address: `127.0.0.1:${port}`, ...over });
  const [a, b, c] = [at("a", 1), at("b", 2), at("c", 3)];
  const busy: Given = { activation, lastActiveMs: 1_000_000 };
  const desires = (desired: number) => ({ advice: joinAdvice([{ desired }]) });
  const leaves = (id: string, byMs?: number) => ({
    advice: joinAdvice([
      { leaving: new Map([[id, { reason: "host h drains", ...(byMs === undefined ? {} : { byMs }) }]]) },
    ]),
  });
  const openCalls = (counts: Record<string, number>): VersionView["load"] => ({
    ...silence(),
    endpoints: new Map(
      Object.entries(counts).map(([address, inProgress]) => [address, { inProgress, issued: 0, errors: 0 }]),
    ),
  });

  test("are stopped at the deadline of their host, though calls are open", () => {
    const until = (stopByMs: number) => ({
      advice: joinAdvice([
        { leaving: new Map([["a", { reason: "host h drains", byMs: stopByMs, stopByMs }]]) },
      ]),
    });
    const retiring = { ...a, draining: true, retiring: true as const };
    const given = { ...busy, instances: [retiring, b], load: openCalls({ "127.0.0.1:1": 1 }) };
    expect(actions({ ...given, retiringSinceMs: () => 990_000, ...until(1_000_001) })).toEqual([]);
    expect(actions({ ...given, retiringSinceMs: () => 990_000, ...until(1_000_000) })).toMatchObject([
      { kind: "stop", instance: { id: "a" } },
    ]);
    // One of a former generation with a stream that does not end.
    const former = {
      ...busy,
      activation: { generation: 2, served: true },
      instances: [a, { ...b, generation: 2 }],
    };
    expect(actions({ ...former, ...until(1_000_001) })).toEqual([]);
    expect(actions({ ...former, ...until(1_000_000) })).toMatchObject([
      { kind: "stop", instance: { id: "a" } },
    ]);
  });

  test("count no longer while they are unfit, and stay all the same", () => {
    const unfit = { advice: joinAdvice([{ unfit: new Set(["a"]) }]) };
    expect(actions({ ...busy, instances: [a], ...unfit })).toMatchObject([{ kind: "start" }]);
    expect(actions({ ...busy, instances: [a, b], ...unfit })).toEqual([]);
    // Fit again, it is one too many.
    expect(actions({ ...busy, instances: [a, b] })).toMatchObject([{ kind: "retire" }]);
  });

  test("are started one after the other up to what the load asks for, and to the maximum", () => {
    const given = { ...busy, instances: [a], ...desires(3) };
    expect(actions(given)).toMatchObject([{ kind: "start" }]);
    const starting = [
      { instanceId: "x", generation: 1 },
      { instanceId: "y", generation: 1 },
    ];
    expect(actions({ ...given, starting })).toEqual([]);
    expect(actions({ ...given, starting, ...desires(9) })).toMatchObject([{ kind: "start" }]);
    expect(actions({ ...given, starting, ...desires(9), manifest: { maxInstances: 3 } })).toEqual([]);
  });

  test("are not started while a further start waits after a failed one", () => {
    const given = { ...busy, instances: [a], ...desires(2), startAgainMs: 1_000_500 };
    expect(planVersion(view(given), context)).toMatchObject({ actions: [], lookAgainMs: 1_000_500 });
  });

  test("do not make a cold version start for what was called before", () => {
    expect(actions({ ...desires(3) })).toEqual([]);
  });

  test("beyond what is needed retire, the least busy first", () => {
    const load = openCalls({ "127.0.0.1:1": 4, "127.0.0.1:3": 2, "127.0.0.1:2": 7 });
    expect(actions({ ...busy, instances: [a, b, c], ...desires(2), load })).toMatchObject([
      { kind: "retire", instance: { id: "c" }, reason: "fewer instances are needed" },
    ]);
    expect(actions({ ...busy, instances: [a, b], ...desires(2), load })).toEqual([]);
    expect(actions({ ...busy, instances: [a], ...desires(0), load })).toEqual([]);
  });

  test("beyond what is needed retire where there are most of them, so that the others stay apart", () => {
    const load = openCalls({ "127.0.0.1:1": 4, "127.0.0.1:3": 2, "127.0.0.1:2": 7 });
    const instances = [
      { ...a, host: "x" },
      { ...b, host: "x" },
      { ...c, host: "y" },
    ];
    expect(actions({ ...busy, instances, ...desires(2), load })).toMatchObject([
      { kind: "retire", instance: { id: "a" } },
    ]);
  });

  test("beyond what is needed retire, of those alike the youngest, whatever their ids", () => {
    const instances = [
      { ...a, startedAtMs: 2_000 },
      { ...b, startedAtMs: 3_000 },
      { ...c, startedAtMs: 1_000 },
    ];
    for (const order of [instances, [...instances].reverse()])
      expect(actions({ ...busy, instances: order, ...desires(2) })).toMatchObject([
        { kind: "retire", instance: { id: "b" } },
      ]);
  });

  test("of which no agent says that they run take no other's place", () => {
    const given = { ...busy, instances: [a, b, c] };
    const advice = joinAdvice([{ desired: 2, unseen: new Set(["b"]) }]);
    expect(actions({ ...given, advice })).toEqual([]);
    expect(actions({ ...given, advice: { ...advice, desired: 1 } })).toMatchObject([{ kind: "retire" }]);
  });

  test("that must leave are replaced first, and then retire", () => {
    expect(actions({ ...busy, instances: [a], ...leaves("a") })).toMatchObject([{ kind: "start" }]);
    const starting = [{ instanceId: "x", generation: 1 }];
    expect(actions({ ...busy, instances: [a], starting, ...leaves("a") })).toEqual([]);
    expect(actions({ ...busy, instances: [a, b], ...leaves("a") })).toMatchObject([
      { kind: "retire", instance: { id: "a" }, reason: "host h drains" },
    ]);
  });

  test("that must leave by a time do so without a replacement", () => {
    const full = () => ({ reason: "no host fits" });
    const given = { ...busy, instances: [a] };
    const before = planVersion(view({ ...given, ...leaves("a", 1_000_100) }), { ...context, place: full });
    expect(before).toMatchObject({ actions: [], lookAgainMs: 1_000_100 });
    expect(actions({ ...given, ...leaves("a", 1_000_000) }, { place: full })).toMatchObject([
      { kind: "retire", instance: { id: "a" } },
    ]);
  });

  test("that are lost count as gone, and are neither retired nor stopped", () => {
    const advice = joinAdvice([{ lost: new Set(["a"]), desired: 2 }]);
    expect(actions({ ...busy, instances: [a, b], advice })).toMatchObject([{ kind: "start" }]);
    expect(actions({ ...busy, instances: [a], advice })).toMatchObject([
      { kind: "next-generation", reason: "its host is dead" },
    ]);
  });

  test("keep a version from going idle while one is in use beside calls", () => {
    const given = { activation, instances: [a], lastActiveMs: 0 };
    expect(actions(given)).toMatchObject([{ kind: "next-generation", reason: "idle" }]);
    expect(actions({ ...given, advice: joinAdvice([{ busy: true }]) })).toEqual([]);
  });
});

describe("a retiring instance", () => {
  const going = instance("a", 1, { draining: true, retiring: true, address: "127.0.0.1:1" });
  const stays = instance("b", 1, { address: "127.0.0.1:2" });
  const given: Given = {
    activation: { generation: 1, served: true },
    instances: [going, stays],
    lastActiveMs: 1_000_000,
    retiringSinceMs: () => 990_000,
  };
  const stop = { kind: "stop", instance: going, reason: "retired" };

  test("is stopped when no call was open on it after Envoys knew", () => {
    expect(actions(given)).toMatchObject([stop]);
    expect(actions({ ...given, retiringSinceMs: () => 999_000 })).toEqual([]);
  });

  test("keeps its calls until they end, or take longer than the contract allows", () => {
    const load: VersionView["load"] = {
      ...silence(),
      endpoints: new Map([["127.0.0.1:1", { inProgress: 1, issued: 0, errors: 0 }]]),
    };
    expect(actions({ ...given, load })).toEqual([]);
    expect(actions({ ...given, load, retiringSinceMs: () => 940_000 })).toMatchObject([stop]);
  });

  test("is not stopped while something holds it", () => {
    const advice = joinAdvice([{ held: new Map([["a", 1_000_001]]) }]);
    expect(actions({ ...given, advice })).toEqual([]);
    expect(actions({ ...given, advice: joinAdvice([{ held: new Map([["a", 1_000_000]]) }]) })).toMatchObject([
      stop,
    ]);
  });

  test("has as long as the longest call of its contract, a minute at least, an hour at most", () => {
    const method = { name: "M", input: "a.M", output: "a.M", clientStreaming: false, serverStreaming: false };
    const of = (...deadlines: number[]) =>
      retiringMs({
        methods: deadlines.map((deadlineMs) => ({
          ...method,
          mode: "sync",
          deadlineMs,
          idempotency: "unknown",
          docs: "",
        })),
      });
    expect([of(10), of(10, 120_000), of(0), of(86_400_000)]).toEqual([60_000, 120_000, 3_600_000, 3_600_000]);
  });
});

describe("further starts of a version that serves", () => {
  test("wait longer after each failure, and not after a success", () => {
    const setbacks = new Setbacks();
    const version = { service: "a.v1.A", version: "1.0.0" };
    expect(setbacks.untilMs(version)).toBe(0);
    expect([setbacks.note(version, 0), setbacks.note(version, 10_000)]).toEqual([2_000, 4_000]);
    expect(setbacks.untilMs(version)).toBe(14_000);
    setbacks.clear(version);
    expect(setbacks.untilMs(version)).toBe(0);
  });
});
