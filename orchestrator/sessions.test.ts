import { expect, test } from "vitest";
import { instance, manifest, version } from "../mesh-config/testing/state.ts";
import type { AdvisedVersion } from "./adviser.ts";
import { Demand } from "./demand.ts";
import { SessionsAdviser } from "./sessions.ts";

const service = "a.v1.A";
const load = { inProgress: 0, issued: 0, errors: 0, endpoints: new Map(), untilMs: 0, reportedMs: 0 };
const retireMs = 60_000;
const a = instance("a", 1, "127.0.0.1:1");
const b = { ...instance("b", 1, "127.0.0.1:2"), draining: true, retiring: true as const };
const sessions = { idleMs: 1_000, retireMs, handOverMs: 1_000 };
const state = version(manifest(service, "1.0.0", { sessionKey: "s", sessions }), { generation: 1 }, [a, b]);
const advised: AdvisedVersion = { service, version: "1.0.0", state, load, starting: 0 };

const told = (counts: Record<string, number>) =>
  Object.entries(counts).map(([instanceId, live]) => ({
    instanceId,
    service,
    version: "1.0.0",
    live,
    tasks: 0,
  }));

function made() {
  const demand = new Demand();
  return { demand, adviser: new SessionsAdviser(() => demand) };
}

test("a version with sessions is in use, and a retiring instance is kept for them, for its time", () => {
  const { demand, adviser } = made();
  demand.retiringSince("b", 1_000);
  adviser.report("m", told({ a: 0, b: 2 }), 2_000);
  expect(adviser.advise(advised, 2_000)).toEqual({
    busy: true,
    held: new Map([["b", 1_000 + retireMs]]),
    lookAgainMs: Number.POSITIVE_INFINITY,
  });
  expect(adviser.report("m", told({ a: 0, b: 0 }), 3_000)).toEqual([{ service, version: "1.0.0" }]);
  expect(adviser.advise(advised, 3_000)).toEqual({
    busy: false,
    held: new Map(),
    lookAgainMs: Number.POSITIVE_INFINITY,
  });
});

test("only the first session and the end of the last are news", () => {
  const { adviser } = made();
  expect(adviser.report("m", told({ a: 1 }), 1)).toHaveLength(1);
  expect(adviser.report("m", told({ a: 5 }), 2)).toEqual([]);
  expect(adviser.report("m", told({ a: 0 }), 3)).toHaveLength(1);
});

test("who told nothing yet counts as having sessions for a while, and images that never tell do not for ever", () => {
  const { adviser } = made();
  const { busy, held, lookAgainMs } = adviser.advise(advised, 1_000);
  expect({ busy, lookAgainMs }).toEqual({ busy: true, lookAgainMs: 21_000 });
  expect(held?.get("b")).toBe(21_000);
  expect(adviser.advise(advised, 21_000).busy).toBe(false);
});

test("what a mesh-config said holds while its instances go to another one", () => {
  const { adviser } = made();
  adviser.report("m", told({ a: 1, b: 0 }), 1_000);
  adviser.report("m", [], 2_000);
  expect(adviser.advise(advised, 2_000).busy).toBe(true);
  adviser.report("n", told({ a: 1, b: 0 }), 3_000);
  adviser.report("m", [], 40_000);
  expect(adviser.advise(advised, 40_000).busy).toBe(true);
});

test("a version without a session key is none of its business", () => {
  const { adviser } = made();
  const plain = { ...state, manifest: manifest(service, "1.0.0") };
  expect(adviser.advise({ ...advised, state: plain }, 0)).toEqual({});
});

test("a version whose instances work on tasks is in use, with sessions or without", () => {
  const { demand, adviser } = made();
  const plain = { ...advised, state: version(manifest(service, "1.0.0"), { generation: 1 }, [a]) };
  const works = [{ instanceId: "a", service, version: "1.0.0", live: 0, tasks: 2 }];
  expect(adviser.advise(plain, 1_000)).toEqual({});
  expect(adviser.report("m", works, 1_000)).toEqual([{ service, version: "1.0.0" }]);
  expect(adviser.report("m", works, 2_000)).toEqual([]);
  expect(adviser.advise(plain, 3_000)).toEqual({ busy: true, lookAgainMs: 7_000 });
  expect(demand.lastActive({ service, version: "1.0.0" })).toBe(2_000);
  adviser.report("m", [...works, ...told({ a: 0, b: 0 })], 3_000);
  expect(adviser.advise(advised, 3_000)).toMatchObject({ busy: true, lookAgainMs: 8_000 });
  // Nothing more is said when the last one is done.
  adviser.report("m", told({ a: 0, b: 0 }), 4_000);
  expect(adviser.advise(advised, 8_000).busy).toBe(false);
  expect(adviser.advise(plain, 8_000)).toEqual({});
});
