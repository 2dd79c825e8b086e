import { expect, test } from "vitest";
import { chart, marks, total } from "./series.ts";

const point = {
  calls: 5n,
  errors: { NOT_FOUND: 1n, UNAVAILABLE: 2n },
  p50Ms: 1,
  p90Ms: 2,
  p99Ms: 3,
  coldStarts: 1n,
  coldStagesMs: {},
};

test("points stand on an even grid; where nothing was called, counts are 0 and latencies unknown", () => {
  const made = chart([{ ...point, atMs: 120_000n }], 61_000, 239_000, 60_000);
  expect(made.times).toEqual([60_000, 120_000, 180_000]);
  expect(made.calls.map(({ values }) => values)).toEqual([
    [0, 2, 0],
    [0, 3, 0],
  ]);
  expect(made.latency[2]?.values).toEqual([undefined, 3, undefined]);
  expect(made.errors.map((line) => [line.name, total(line)])).toEqual([
    ["UNAVAILABLE", 2],
    ["NOT_FOUND", 1],
  ]);
  expect(made.cold[0]?.values).toEqual([0, 1, 0]);
});

test("an axis has few round marks, whole ones for counts, and reaches what is to be shown", () => {
  expect(marks(10, true)).toEqual([0, 5, 10]);
  expect(marks(0, true)).toEqual([0, 1]);
  expect(marks(3, true)).toEqual([0, 1, 2, 3]);
  expect(marks(271.9, false)).toEqual([0, 100, 200, 300]);
  expect(marks(0.3, false)).toHaveLength(4);
});
