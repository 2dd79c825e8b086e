import { expect, test } from "vitest";
import { createWorkerServiceClient } from "../../test/fixtures/worker/gen/worker/v1/worker.client.ts";

test("an async call that reaches nobody says so, and that a key makes a second try safe", async () => {
  // Nobody may listen on that port.
  using worker = createWorkerServiceClient({ target: "127.0.0.1:1" });
  const work = { steps: 1, stepMs: 1, fail: "", bytes: 0 };
  await expect(worker.async.work(work)).rejects.toMatchObject({
    status: "UNAVAILABLE",
    reason: "ORDERS_AWAY",
    message: expect.stringMatching(
      /^Orders, which keep async calls, do not answer \(.*\)\. Look at "rouse status"; the same idempotencyKey makes a second try safe\.$/,
    ),
  });
});
