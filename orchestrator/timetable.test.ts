import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { steadyMs } from "../sdk/steady.ts";
import { Timetable } from "./timetable.ts";

let base: number;
let told: string[];
let table: Timetable;
beforeEach(() => {
  vi.useFakeTimers();
  base = steadyMs();
  told = [];
  table = new Timetable((key) => told.push(key));
});
afterEach(() => {
  table.clear();
  vi.useRealTimers();
});

test("tells each key at its time, whatever the order in which they were set", () => {
  table.set("late", base + 3_000);
  table.set("soon", base + 1_000);
  vi.advanceTimersByTime(999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual(["soon"]);
  vi.advanceTimersByTime(2_000);
  expect(told).toEqual(["soon", "late"]);
});

test("forgets a key that is set to never, and takes the newest time", () => {
  table.set("a", base + 1_000);
  table.set("a", Number.POSITIVE_INFINITY);
  table.set("b", base + 1_000);
  table.set("b", base + 2_000);
  vi.advanceTimersByTime(1_500);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(500);
  expect(told).toEqual(["b"]);
});

test("lets a key set itself again while it is told", () => {
  table = new Timetable((key) => {
    told.push(key);
    if (told.length < 3) table.set(key, steadyMs() + 1_000);
  });
  table.set("a", base + 1_000);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual(["a", "a", "a"]);
});

test.each([-1, 1])("goes on evenly when the clock is set by %d hours", (hours) => {
  table.set("a", base + 2_000);
  vi.advanceTimersByTime(1_000);
  vi.setSystemTime(Date.now() + hours * 3_600_000);
  table.set("b", steadyMs() + 2_000);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual(["a"]);
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual(["a", "b"]);
});
