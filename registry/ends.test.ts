import fc from "fast-check";
import { expect, test } from "vitest";
import { clampEnd, Ends } from "./ends.ts";

const HOUR_MS = 3_600_000;

test("an end within its span is as it was written, one beyond it is when the span ends", () => {
  expect(clampEnd(1_500, 1_000, 1_000)).toBe(1_500);
  expect(clampEnd(500, 1_000, 1_000)).toBe(500);
  expect(clampEnd(1_000 + HOUR_MS, 1_000, 1_000)).toBe(2_000);
});

test("one that was written by a clock an hour ahead comes, and does not move when it is looked at again", () => {
  const ends = new Ends();
  const at = (nowMs: number, writtenMs = HOUR_MS) => ends.of("a", writtenMs, 8_000, nowMs);
  expect(at(1_000)).toBe(9_000);
  expect(at(8_999)).toBe(9_000);
  expect(at(20_000)).toBe(9_000);
  // Another end.
  expect(at(20_000, HOUR_MS + 1)).toBe(28_000);
  ends.forget("a");
  expect(at(20_002, HOUR_MS + 1)).toBe(28_002);
});

test("whatever is written, it comes within its span from when it was first seen", () => {
  const ms = fc.integer({ min: 0, max: 10 * HOUR_MS });
  fc.assert(
    fc.property(ms, ms, ms, fc.array(fc.nat(60_000)), (writtenMs, longestMs, firstMs, laterMs) => {
      const ends = new Ends();
      let nowMs = firstMs;
      const endMs = ends.of("a", writtenMs, longestMs, nowMs);
      expect(endMs).toBeLessThanOrEqual(firstMs + longestMs);
      for (const more of laterMs) {
        nowMs += more;
        expect(ends.of("a", writtenMs, longestMs, nowMs)).toBe(endMs);
      }
    }),
  );
});
