import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { JobsDeadline } from "./deadline.ts";

const DAY_MS = 86_400_000;
const draining = { mode: "draining" as const, reason: "new disk", atMs: 0 };
let ended: string[];
let deadline: JobsDeadline;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  ended = [];
  deadline = new JobsDeadline(async (reason) => void ended.push(reason), pino({ level: "silent" }));
});
afterEach(() => {
  deadline.close();
  vi.useRealTimers();
});

test("jobs are ended when the time of a drain is over, and not before", () => {
  deadline.follow({ ...draining, deadlineMs: Date.now() + 60_000 });
  vi.advanceTimersByTime(59_000);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(ended).toEqual(["its host drains (new disk), and the time for that is over"]);
});

test("at once when it was over before the agent began", () => {
  deadline.follow({ ...draining, mode: "maintenance", reason: "", deadlineMs: Date.now() - 1 });
  vi.advanceTimersByTime(0);
  expect(ended).toEqual(["its host is in maintenance, and the time for that is over"]);
});

test("not when the host is used again, or has no deadline, and not before months have passed that shall", () => {
  deadline.follow({ ...draining, deadlineMs: Date.now() + 60_000 });
  deadline.follow({ mode: "active", reason: "", atMs: 1 });
  vi.advanceTimersByTime(DAY_MS);
  deadline.follow(draining);
  vi.advanceTimersByTime(DAY_MS);
  deadline.follow({ ...draining, deadlineMs: Date.now() + 60 * DAY_MS });
  vi.advanceTimersByTime(59 * DAY_MS);
  expect(ended).toEqual([]);
  vi.advanceTimersByTime(DAY_MS);
  expect(ended).toHaveLength(1);
});
