import { expect, test } from "vitest";
import { hasWork } from "./open-work.ts";

const none = { open: 0, ids: [] };
const work = { pin: "", runs: none, operations: none, orders: none };
const said = (more: Partial<typeof work> | object) =>
  hasWork("loan.v1.LoanService", "1.0.0", { ...work, ...more }).message;

test("a version with open work says what is open, and what to do", () => {
  expect(said({ runs: { open: 1, ids: ["a"] } })).toBe(
    'loan.v1.LoanService 1.0.0 cannot be removed while 1 durable run (a) of it has not ended. Wait for it ("rouse runs"), or cancel: rouse runs cancel a',
  );
  expect(said({ operations: { open: 3, ids: ["a", "b"] }, orders: { open: 1, ids: ["c"] } })).toBe(
    'loan.v1.LoanService 1.0.0 cannot be removed while 3 operations (a, b and others) and 1 order (c) of it have not ended. Wait for them ("rouse operations" and "rouse orders"), or cancel: rouse operations cancel a; rouse orders cancel c',
  );
});

test("a version of which something begins just now says so", () => {
  expect(said({ pin: "x" })).toBe(
    "loan.v1.LoanService 1.0.0 cannot be removed while it is used just now: work of it that was started or has ended is not counted yet. Try again in 10 s, or let the command wait: --wait",
  );
});
