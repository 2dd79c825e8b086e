import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { steadyMs } from "../../sdk/steady.ts";
import { JobsDeadline } from "./deadline.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const draining = { mode: "draining" as const, reason: "new disk", atMs: 0 };
let ended: string[];
let deadline: JobsDeadline;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  ended = [];
  deadline = new JobsDeadline(async (reason) => void ended.push(reason), pino({ level: "silent" }));
});
afterEach(() => {
  deadline.close();
  vi.useRealTimers();
});

test("jobs are ended when the time of a drain is over, and not before", () => {
  deadline.follow({ ...draining, deadlineMs: steadyMs() + 60_000 });
  vi.advanceTimersByTime(59_000);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(ended).toEqual(["its host drains (new disk), and the time for that is over"]);
});

test("at once when it was over before the agent began", () => {
  deadline.follow({ ...draining, mode: "maintenance", reason: "", deadlineMs: steadyMs() - 1 });
  vi.advanceTimersByTime(0);
  expect(ended).toEqual(["its host is in maintenance, and the time for that is over"]);
});

test("not when the host is used again, or has no deadline, and not before months have passed that shall", () => {
  deadline.follow({ ...draining, deadlineMs: steadyMs() + 60_000 });
  deadline.follow({ mode: "active", reason: "", atMs: 1 });
  vi.advanceTimersByTime(DAY_MS);
  deadline.follow(draining);
  vi.advanceTimersByTime(DAY_MS);
  deadline.follow({ ...draining, deadlineMs: steadyMs() + 60 * DAY_MS });
  vi.advanceTimersByTime(59 * DAY_MS);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(DAY_MS);
  expect(ended).toHaveLength(1);
});

test.each([-1, 1])("when its time is over though the host's clock is set by %d hours meanwhile", (hours) => {
  deadline.follow({ ...draining, atMs: steadyMs(), deadlineMs: steadyMs() + 60_000 });
  vi.setSystemTime(Date.now() + hours * HOUR_MS);
  vi.advanceTimersByTime(59_000);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(ended).toHaveLength(1);
});

test("within its span though the leader's clock is an hour ahead, whatever else is told of the host", () => {
  const aheadMs = steadyMs() + HOUR_MS;
  const mode = { ...draining, atMs: aheadMs, deadlineMs: aheadMs + 60_000 };
  deadline.follow(mode);
  vi.advanceTimersByTime(30_000);
  deadline.follow({ ...mode, reason: "another disk" });
  vi.advanceTimersByTime(29_000);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(ended).toHaveLength(1);
});
