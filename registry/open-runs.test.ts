import { expect, test } from "vitest";
import { hasRuns } from "./open-runs.ts";

test("a version with open runs says which, and what to do", () => {
  expect(hasRuns("loan.v1.LoanService", "1.0.0", 1, ["a"]).message).toBe(
    'loan.v1.LoanService 1.0.0 cannot be removed while a durable run of it has not ended: a. Wait for it ("rouse runs loan.v1.LoanService --version 1.0.0"), or cancel: rouse runs cancel a',
  );
  expect(hasRuns("loan.v1.LoanService", "1.0.0", 3, ["a", "b"]).message).toContain(
    "while 3 durable runs of it have not ended: a, b and others. Wait for them",
  );
});
