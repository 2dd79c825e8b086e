import { expect, test } from "vitest";
import { formatMemory, parseMemory } from "./memory.ts";

test.each([
  ["256Mi", 268_435_456],
  ["2Gi", 2_147_483_648],
  ["1.5Gi", 1_610_612_736],
  ["500M", 500_000_000],
  ["64Ki", 65_536],
  ["1T", 1e12],
])("%s is %d bytes", (text, bytes) => {
  expect(parseMemory(text)).toBe(bytes);
  expect(parseMemory(formatMemory(bytes))).toBe(bytes);
});

test.each(["", "12 bananas", "256", "Mi", "256MiB", "256mi", "-1Gi", "1 Gi", "1e3Mi", "999999999Ti"])(
  "%j is no amount of memory",
  (text) => {
    expect(parseMemory(text)).toBeUndefined();
  },
);
