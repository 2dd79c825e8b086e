import { expect, test } from "vitest";
import { Preparations } from "./preparations.ts";

const KEY = "a.v1.A@1.0.0";

test("a version is made ready once where it would start", () => {
  const known = new Preparations();
  expect(known.isDue(KEY, "h1 a:1", 0)).toBe(true);
  known.done(KEY, "h1 a:1");
  expect(known.isDue(KEY, "h1 a:1", 1_000_000)).toBe(false);
  expect(known.againMs()).toBe(Number.POSITIVE_INFINITY);
});

test("it is made ready anew where it would start elsewhere, or where the agent has another address", () => {
  const known = new Preparations();
  known.done(KEY, "h1 a:1");
  expect(known.isDue(KEY, "h2 b:1", 0)).toBe(true);
  expect(known.isDue(KEY, "h1 a:2", 0)).toBe(true);
});

test("one that could not be made ready is tried again, later each time", () => {
  const known = new Preparations();
  expect(known.failed(KEY, "h1 a:1", 1_000)).toBe(2_000);
  expect(known.againMs()).toBe(3_000);
  expect(known.isDue(KEY, "h1 a:1", 2_999)).toBe(false);
  expect(known.isDue(KEY, "h1 a:1", 3_000)).toBe(true);
  expect(known.failed(KEY, "h1 a:1", 3_000)).toBe(4_000);
  for (let times = 0; times < 20; times++) known.failed(KEY, "h1 a:1", 3_000);
  expect(known.againMs()).toBe(303_000);
  // Another host is no worse for it.
  expect(known.isDue(KEY, "h2 b:1", 3_000)).toBe(true);
  expect(known.failed(KEY, "h2 b:1", 3_000)).toBe(2_000);
});

test("after it is ready, or registered no more, nothing is tried again", () => {
  const known = new Preparations();
  known.failed(KEY, "h1 a:1", 0);
  known.done(KEY, "h1 a:1");
  expect(known.againMs()).toBe(Number.POSITIVE_INFINITY);
  known.failed(KEY, "h1 a:1", 0);
  known.keep(new Set());
  expect(known.againMs()).toBe(Number.POSITIVE_INFINITY);
  expect(known.isDue(KEY, "h1 a:1", 0)).toBe(true);
});
