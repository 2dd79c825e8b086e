import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HealthProbe, type InstanceHealth } from "#proto/rouse/agent/v1/agent.ts";
import { InstanceVitals } from "./vitals.ts";

let vitals: InstanceVitals;
let told: InstanceHealth[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vitals = new InstanceVitals();
  told = [];
});
afterEach(() => {
  vitals.close();
  vi.useRealTimers();
});

const well = { loopDelayMs: 0, queue: 0, inProgress: 1 };
const watch = () => vitals.watch((changed) => told.push(...changed));

test("who begins to watch is told all, then only what changed, gathered", () => {
  vitals.probed("a", "serving");
  vitals.probed("b", "serving");
  watch();
  expect(told.map(({ instanceId }) => instanceId)).toEqual(["a", "b"]);
  told.length = 0;
  vitals.probed("a", "unreachable");
  vitals.probed("a", "serving");
  vitals.heard("b", { ...well, loopDelayMs: 700 });
  vi.advanceTimersByTime(1_000);
  expect(told).toMatchObject([
    { instanceId: "a", probe: HealthProbe.SERVING },
    { instanceId: "b", probe: HealthProbe.SERVING, loopDelayMs: 700, inProgress: 1 },
  ]);
});

test("that one has ended is told at once, also of one that served for a moment only", () => {
  vitals.probed("a", "serving");
  watch();
  told.length = 0;
  vitals.probed("b", "serving");
  vitals.forget("b");
  vitals.forget("a");
  vitals.forget("a");
  vitals.forget("nobody");
  expect(told).toMatchObject([
    { instanceId: "b", ended: true },
    { instanceId: "a", ended: true },
  ]);
});

test("small changes are not told, nor is what an unknown instance says", () => {
  vitals.probed("a", "serving");
  watch();
  told.length = 0;
  vitals.heard("a", well);
  vitals.heard("a", { loopDelayMs: 30, queue: 0, inProgress: 4 });
  vitals.heard("nobody", { ...well, loopDelayMs: 5_000 });
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([]);
});

test("one that speaks no more is silent; one that never spoke, or is frozen, is not", () => {
  vitals.expectWords("new");
  for (const id of ["a", "b", "frozen", "mute", "new"]) vitals.probed(id, "serving");
  watch();
  told.length = 0;
  for (const id of ["a", "b", "frozen"]) vitals.heard(id, well);
  vitals.expectSilence("frozen");
  for (let seconds = 0; seconds < 20; seconds += 5) {
    vi.advanceTimersByTime(5_000);
    vitals.heard("b", well);
  }
  expect([...new Set(told.map(({ instanceId }) => instanceId))]).toEqual(["new", "a"]);
  expect(told[0]?.silentMs).toBeGreaterThanOrEqual(12_000);
  told.length = 0;
  vitals.heard("a", well);
  vi.advanceTimersByTime(1_000);
  expect(told).toMatchObject([{ instanceId: "a", silentMs: 0 }]);
});

test("who was held up itself takes nobody for silent", () => {
  vitals.probed("a", "serving");
  watch();
  vitals.heard("a", well);
  vi.advanceTimersByTime(2_000);
  told.length = 0;
  // The whole machine slept: the clock went on, the timers did not.
  const now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now + 60_000);
  vi.advanceTimersByTime(2_000);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([]);
});
