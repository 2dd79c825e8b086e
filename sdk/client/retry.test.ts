import { expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { awayDelayMs, isAway, retryDelayMs } from "./retry.ts";

test.each([
  ["UNAVAILABLE", "upstream connect error", true],
  ["INTERNAL", "Received RST_STREAM with code 2 (Internal server error)", true],
  ["INTERNAL", "The sheep are out.", false],
  ["ABORTED", "Received RST_STREAM", false],
] as const)("%s %s: away is %s", (status, message, away) => {
  expect(isAway(new RouseError(status, message))).toBe(away);
});

test.each([
  ["UNAVAILABLE", "upstream connect error"],
  // Its headers were there already when the instance was killed.
  ["INTERNAL", "Received RST_STREAM with code 2 (Internal server error)"],
] as const)("%s %s: it is tried again, so often and no longer than the deadline", (status, message) => {
  const error = new RouseError(status, message);
  expect(retryDelayMs(error, 1, 3, undefined)).toBeLessThan(100);
  expect(retryDelayMs(error, 4, 3, undefined)).toBeUndefined();
  expect(retryDelayMs(error, 1, 3, Date.now())).toBeUndefined();
});

test("another INTERNAL error is not tried again", () => {
  expect(retryDelayMs(new RouseError("INTERNAL", "The sheep are out."), 1, 3, undefined)).toBeUndefined();
});

test("a mesh that is away is looked for, for a while and no longer than the deadline", () => {
  expect(awayDelayMs(performance.now(), undefined)).toBeLessThan(100);
  expect(awayDelayMs(performance.now() - 5_000, undefined)).toBeLessThan(500);
  expect(awayDelayMs(performance.now() - 10_000, undefined)).toBeUndefined();
  expect(awayDelayMs(performance.now(), Date.now())).toBeUndefined();
});
