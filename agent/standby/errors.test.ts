import { expect, test } from "vitest";
import { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { newRecord } from "../record.ts";
import { notFrozen, notThawed } from "./errors.ts";

const record = newRecord({
  id: "echo-1",
  spec: InstanceSpec.fromPartial({ service: "test.v1.Echo", version: "1.0.0" }),
  generation: 1,
  runtime: "process",
});

test("says why an instance is neither frozen nor thawed, and what to do", () => {
  expect(notFrozen(record, new Error("EACCES"))).toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "SUSPEND_FAILED",
    message:
      "Instance echo-1 cannot be frozen (EACCES). Let the agent write cgroups, or give the contract standby {instances: 0}.",
  });
  expect(notThawed(record, new Error("ENOENT"))).toMatchObject({
    status: "ABORTED",
    reason: "RESUME_FAILED",
    message:
      "Instance echo-1 of test.v1.Echo 1.0.0 could not be thawed (ENOENT) and was killed. The next call starts another.",
  });
});
