import { expect, test } from "vitest";
import { isDatabaseAway, unreachable } from "./connect.ts";

test("a full disk is told as that, and anything else as a database that does not answer", () => {
  const full = Object.assign(new Error('could not extend file "base/5/16384": No space left on device'), {
    code: "53100",
  });
  expect(unreachable(full)).toMatchObject({
    status: "UNAVAILABLE",
    reason: "DATABASE_FULL",
    message:
      'The disk of orders\' database is full (could not extend file "base/5/16384": No space left on device), so that nothing new can be kept. Nothing is lost; make room there, and what was begun goes on.',
  });
  const away = unreachable(new Error("connect ECONNREFUSED"));
  expect(away).toMatchObject({
    status: "UNAVAILABLE",
    reason: "DATABASE_UNREACHABLE",
    message:
      "The database of orders does not answer (connect ECONNREFUSED). Nothing is lost; what was begun goes on when it is back.",
  });
  expect([unreachable(full), away].every(isDatabaseAway)).toBe(true);
});
