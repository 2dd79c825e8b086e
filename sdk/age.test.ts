import { expect, test } from "vitest";
import { age } from "./age.ts";

test.each([
  [-5_000, "0 s"],
  [499, "0 s"],
  [119_400, "119 s"],
  [119_600, "2 min"],
  [7_200_000, "2 h"],
  [47 * 3_600_000, "47 h"],
  [5 * 86_400_000, "5 days"],
])("%d ms are %s", (ms, text) => {
  expect(age(ms)).toBe(text);
});
