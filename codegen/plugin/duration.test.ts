import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["1ms", 1],
  ["30s", 30_000],
  ["0.5s", 500],
  ["5m", 300_000],
  ["1.5h", 5_400_000],
  ["30d", 2_592_000_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  "30",
  "s",
  "30 s",
  "1h30m",
  "-1s",
  "0.5ms",
  "1e3s",
  "30S",
  "30sec",
  "٣s",
  "99999999999999999d",
])("%j is no length of time", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [1, "1ms"],
  [1_500, "1500ms"],
  [90_000, "90s"],
  [3_600_000, "1h"],
  [2_592_000_000, "30d"],
])("%d ms is written %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
  expect(parseDuration(text)).toBe(ms);
});
