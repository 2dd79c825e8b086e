import { expect, test } from "vitest";
import { RouseError } from "../../sdk/errors.ts";
import { judge, MOST_INTERRUPTIONS } from "./judge.ts";

const run = { id: "r1", service: "loan.v1.LoanService", version: "1.0.0", method: "Apply" };
const broken = new RouseError("UNAVAILABLE", "The connection broke.");

test("what lies with the mesh is tried again and not counted", () => {
  const last = { progressed: false, interruptions: MOST_INTERRUPTIONS };
  const away = new RouseError("UNAVAILABLE", "…", { reason: "DATABASE_UNREACHABLE" });
  const cold = new RouseError("UNAVAILABLE", "It does not start.", { reason: "START_FAILED" });
  const unreached = new RouseError("UNAVAILABLE", "No connection established. Last error: …");
  for (const error of [away, cold, unreached]) expect(judge(run, error, last)).toBe("again");
  expect(judge(run, broken, { progressed: true, interruptions: MOST_INTERRUPTIONS })).toBe("again");
});

test("a run that is interrupted again and again without a step done fails", () => {
  expect(judge(run, broken, { progressed: false, interruptions: 0 })).toBe("counted");
  expect(judge(run, broken, { progressed: false, interruptions: MOST_INTERRUPTIONS - 1 })).toMatchObject({
    status: "ABORTED",
    reason: "RUN_STUCK",
    message:
      'loan.v1.LoanService/Apply of 1.0.0 was interrupted 12 times in a row without a step being done, the last time by: The connection broke. Look at "rouse logs loan.v1.LoanService" and "rouse runs show r1", then "rouse runs retry r1 --from STEP", with --version where a new one has the fix.',
  });
});

test("an instance that does not speak the protocol fails its runs", () => {
  const error = new RouseError("UNIMPLEMENTED", "unknown method");
  expect(judge(run, error, { progressed: false, interruptions: 0 })).toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "RUN_UNSUPPORTED",
    message:
      'loan.v1.LoanService/Apply of 1.0.0 is durable by its contract, and its instance does not know how to run it (unknown method). Serve it with the code that "rouse gen" makes, and register a new version.',
  });
});

test("a result that gRPC does not take is too large, and not a crash", () => {
  const error = new RouseError(
    "RESOURCE_EXHAUSTED",
    "Received message larger than max (104857605 vs. 67108864)",
  );
  expect(judge(run, error, { progressed: false, interruptions: 0 })).toMatchObject({
    reason: "RESULT_TOO_LARGE",
    message: expect.stringContaining("has more than the 16 MiB that an operation keeps. Keep what is large"),
  });
});
