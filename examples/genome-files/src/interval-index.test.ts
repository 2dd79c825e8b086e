import fc from "fast-check";
import { expect, test } from "vitest";
import { indexIntervals } from "./interval-index.ts";

test("finds what a look at every interval finds, in order", () => {
  const interval = fc.tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 60 }));
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 60 }), interval, (list, [start, length]) => {
      const sorted = list.map(([from, size]) => [from, from + size] as const).sort((a, b) => a[0] - b[0]);
      const index = indexIntervals(
        Uint32Array.from(sorted, ([from]) => from),
        Uint32Array.from(sorted, ([, to]) => to),
      );
      const expected = sorted.flatMap(([from, to], i) => (from <= start + length && to >= start ? [i] : []));
      expect([...index.overlapping(start, start + length)]).toEqual(expected);
    }),
  );
});
