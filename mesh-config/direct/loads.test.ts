import { expect, test } from "vitest";
import { DirectLoads } from "./loads.ts";

const cluster = "a.v1.A@1.0.0#2";
const target = { service: "a.v1.A", version: "1.0.0", generation: 2 };
const address = "127.0.0.1:1";
const share = { cluster, weight: 1, endpoints: [] };
const counts = (inProgress: number, issued: number, errors = 0) => [
  { cluster, address, inProgress, issued, errors },
];
const report = (applied: number, loads: ReturnType<typeof counts> = []) => ({
  applied,
  loads,
  sessions: undefined,
});

test("direct calls are added to Envoy's, and known until the last report of each caller", () => {
  const direct = new DirectLoads();
  const [one, two] = [direct.connect(1_000), direct.connect(1_000)];
  direct.report(one, report(1, counts(2, 5, 1)), 2_000);
  direct.report(two, report(1, counts(1, 0)), 3_000);
  const envoys = () => ({
    loads: [
      { target, inProgress: 1, issued: 1, endpoints: [{ address, inProgress: 1, issued: 1, errors: 0 }] },
    ],
    callers: [],
    untilMs: 2_500,
  });
  expect(direct.join(envoys())).toEqual({
    callers: [],
    loads: [
      { target, inProgress: 4, issued: 6, endpoints: [{ address, inProgress: 4, issued: 6, errors: 1 }] },
    ],
    untilMs: 2_000,
    sessions: [],
  });
  // What began counts once; what is open, until the next report.
  direct.report(one, report(1), 2_400);
  const { loads, untilMs } = direct.join({ loads: [], callers: [], untilMs: 2_500 });
  expect(loads).toMatchObject([{ inProgress: 1, issued: 0 }]);
  expect(untilMs).toBe(2_400);
});

test("who disconnects with calls open counts for a while, and holds no time up", () => {
  const direct = new DirectLoads();
  const source = direct.connect(1_000);
  direct.report(source, report(1, counts(1, 1)), 2_000);
  direct.disconnect(source);
  expect(direct.join({ loads: [], callers: [], untilMs: 9_000 })).toMatchObject({
    loads: [{ inProgress: 1 }],
    untilMs: 9_000,
  });
});

test("a cluster is left when all know that it is not theirs, and have no call open on it", () => {
  const direct = new DirectLoads();
  expect(direct.left(cluster)).toBe(true);
  const source = direct.connect(1_000);
  expect(direct.left(cluster)).toBe(true);
  direct.told(source, 1, [share]);
  expect(direct.left(cluster)).toBe(false);
  direct.report(source, report(1, counts(1, 1)), 2_000);
  direct.told(source, 2, []);
  expect(direct.left(cluster)).toBe(false);
  direct.report(source, report(2, counts(1, 0)), 3_000);
  expect(direct.left(cluster)).toBe(false);
  direct.report(source, report(2), 4_000);
  expect(direct.left(cluster)).toBe(true);
});

test("an instance that is frozen holds the time up for a moment only", () => {
  const direct = new DirectLoads();
  direct.report(direct.connect(1_000, { members: true }), report(1), 2_000);
  expect(direct.join({ loads: [], callers: [], untilMs: 3_000 }).untilMs).toBe(2_000);
  expect(direct.join({ loads: [], callers: [], untilMs: 9_000 }).untilMs).toBe(6_000);
});

test("sessions are told by their instances", () => {
  const direct = new DirectLoads();
  const sessions = { service: "a.v1.A", version: "1.0.0", instanceId: "a", live: 3, tasks: 0 };
  direct.report(direct.connect(1_000), { ...report(1), sessions }, 2_000);
  expect(direct.join({ loads: [], callers: [], untilMs: 2_000 }).sessions).toEqual([sessions]);
});

test("direct calls tell the zones that they came from, where callers have one", () => {
  const direct = new DirectLoads();
  const [east, west] = [direct.connect(1_000, { zone: "east" }), direct.connect(1_000, { zone: "west" })];
  direct.report(direct.connect(1_000), report(1, counts(1, 9)), 2_000);
  direct.report(east, report(1, counts(0, 2)), 2_000);
  direct.report(east, report(1, counts(1, 3)), 2_000);
  direct.report(west, report(1, counts(1, 1, 1)), 2_000);
  const callers = [{ target, zone: "east", issued: 7 }];
  expect(direct.join({ loads: [], callers, untilMs: 2_000 }).callers).toEqual([
    ...callers,
    { target, zone: "east", issued: 5 },
    { target, zone: "west", issued: 1 },
  ]);
  // What began counts once.
  direct.report(east, report(1, counts(1, 0)), 2_000);
  expect(direct.join({ loads: [], callers: [], untilMs: 2_000 }).callers).toEqual([]);
});
