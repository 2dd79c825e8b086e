import { expect, test } from "vitest";
import { spreadMs } from "./blocking.ts";

test("of many queries that were lost, those after the first hundred are asked anew spread out; of few all at once", () => {
  const spread = (of: number, random: number) =>
    Array.from({ length: of }, (_, n) => spreadMs(n, of, random));
  expect(spread(100, 0.999)).toEqual(Array.from({ length: 100 }, () => 0));
  const many = spread(4_000, 0.5);
  expect(many.slice(0, 101)).toEqual([...Array.from({ length: 100 }, () => 0), 975]);
  expect(new Set(many.slice(100))).toEqual(new Set([975]));
  expect(spreadMs(3_999, 4_000, 0)).toBe(0);
});
