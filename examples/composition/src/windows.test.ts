import { expect, test } from "vitest";
import { composition, windowsOf } from "./windows.ts";

test.each([
  [{ start: 1, end: 25, window: 10, step: 10 }, ["1-10", "11-20", "21-25"]],
  [{ start: 5, end: 14, window: 10, step: 3 }, ["5-14"]],
  [{ start: 1, end: 12, window: 5, step: 4 }, ["1-5", "5-9", "9-12"]],
  [{ start: 1, end: 10, window: 2, step: 6 }, ["1-2", "7-8"]],
  [{ start: 3, end: 3, window: 10, step: 1 }, ["3-3"]],
])("windows of %j", (plan, expected) => {
  expect([...windowsOf(plan)].map(({ start, end }) => `${start}-${end}`)).toEqual(expected);
});

test("GC content and skew count A, C, G and T in either case", () => {
  expect(composition(11, "GGGCaattNN")).toEqual({ start: 11, end: 20, gc: 0.5, skew: 0.5 });
  expect(composition(1, "AAtt")).toEqual({ start: 1, end: 4, gc: 0, skew: undefined });
  expect(composition(1, "NN")).toEqual({ start: 1, end: 2, gc: undefined, skew: undefined });
});
