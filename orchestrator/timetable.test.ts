import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Timetable } from "./timetable.ts";

let told: string[];
let table: Timetable;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  told = [];
  table = new Timetable((key) => told.push(key));
});
afterEach(() => {
  table.clear();
  vi.useRealTimers();
});

test("tells each key at its time, whatever the order in which they were set", () => {
  table.set("late", 1_003_000);
  table.set("soon", 1_001_000);
  vi.advanceTimersByTime(999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual(["soon"]);
  vi.advanceTimersByTime(2_000);
  expect(told).toEqual(["soon", "late"]);
});

test("forgets a key that is set to never, and takes the newest time", () => {
  table.set("a", 1_001_000);
  table.set("a", Number.POSITIVE_INFINITY);
  table.set("b", 1_001_000);
  table.set("b", 1_002_000);
  vi.advanceTimersByTime(1_500);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(500);
  expect(told).toEqual(["b"]);
});

test("lets a key set itself again while it is told", () => {
  table = new Timetable((key) => {
    told.push(key);
    if (told.length < 3) table.set(key, Date.now() + 1_000);
  });
  table.set("a", 1_001_000);
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual(["a", "a", "a"]);
});
