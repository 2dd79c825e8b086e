import { expect, test } from "vitest";
import { Callers } from "./callers.ts";

const version = { service: "a.v1.A", version: "1.0.0" };

test("shares of callers by zone, of which old ones fade", () => {
  const callers = new Callers();
  expect(callers.shares(version)).toEqual(new Map());
  callers.note(version, "east", 30, 0);
  callers.note(version, "west", 10, 0);
  callers.note(version, "", 1_000, 0);
  expect(callers.shares(version)).toEqual(
    new Map([
      ["east", 0.75],
      ["west", 0.25],
    ]),
  );
  // After a half-life 15 and 5 are left.
  callers.note(version, "west", 20, 600_000);
  expect(callers.shares(version).get("west")).toBe(0.625);
  callers.note(version, "west", 1, 86_400_000);
  expect(callers.shares(version)).toEqual(new Map([["west", 1]]));
});
