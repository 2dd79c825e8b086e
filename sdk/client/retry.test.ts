import { expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { isAway } from "./retry.ts";

test.each([
  ["UNAVAILABLE", "upstream connect error", true],
  ["INTERNAL", "Received RST_STREAM with code 2 (Internal server error)", true],
  ["INTERNAL", "The sheep are out.", false],
  ["ABORTED", "Received RST_STREAM", false],
] as const)("%s %s: away is %s", (status, message, away) => {
  expect(isAway(new RouseError(status, message))).toBe(away);
});
