import { describe, expect, test } from "vitest";
import { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { JobSpec } from "#proto/rouse/agent/v1/jobs.ts";
import type { Ending } from "../runtimes/runtime.ts";
import { type Doom, type EndFacts, endOfJob } from "./ending.ts";
import { checkJob } from "./spec.ts";

const spec = checkJob(
  JobSpec.fromPartial({
    program: InstanceSpec.fromPartial({
      service: "a.v1.A",
      version: "1.0.0",
      image: "a",
      cpu: 1,
      memoryBytes: 64 * 2 ** 20,
    }),
    method: "Do",
    timeMs: 5_000,
  }),
);
const exited = (exitCode: number): Ending => ({ exitCode, outOfMemory: false });
const killed: Ending = { signal: "SIGKILL", outOfMemory: false };
const told = { code: 11, reason: "OWN", message: "its own words", metadata: { a: "b" }, hostFault: false };
const corrupt = { ...told, code: 15, reason: "ARTIFACT_CORRUPT", message: "is damaged" };
const away = { ...told, code: 14, reason: "ORDERS_MISSING", message: "nobody serves orders" };
const end = (facts: Partial<EndFacts>) =>
  endOfJob(spec, {
    ending: exited(0),
    doom: undefined,
    hasResult: false,
    told: undefined,
    output: "",
    ...facts,
  });

test("a result and a good end are a success, whatever was about to happen", () => {
  const dooms: (Doom | undefined)[] = [undefined, { kind: "time" }, { kind: "stopped", reason: "a" }];
  for (const doom of dooms) expect(end({ hasResult: true, doom })).toEqual({ state: "succeeded" });
});

test("what is the host's fault stays so where the job passes it on", () => {
  const stumbled = { ...away, hostFault: true };
  expect(end({ ending: exited(1), told: away, stumbled })).toMatchObject({ error: { hostFault: true } });
});

test("a result of a program that then failed is none", () => {
  expect(end({ hasResult: true, ending: exited(1) })).toMatchObject({
    state: "failed",
    error: { reason: "JOB_EXITED", exitCode: 1 },
  });
});

describe("what comes first", () => {
  const cases: [what: string, facts: Partial<EndFacts>, state: string, reason: string, message: string][] = [
    [
      "stopped",
      { doom: { kind: "stopped", reason: "no more" }, ending: killed, told },
      "stopped",
      "JOB_STOPPED",
      "Do of a.v1.A 1.0.0 was stopped: no more.",
    ],
    [
      "the host",
      { doom: { kind: "host", reason: "the agent stops" }, ending: killed },
      "failed",
      "JOB_LOST",
      "Do of a.v1.A 1.0.0 was ended: the agent stops.",
    ],
    [
      "time",
      { doom: { kind: "time" }, ending: killed, told },
      "failed",
      "JOB_TIMEOUT",
      "Do of a.v1.A 1.0.0 was not done within its 5000 ms and was killed. Raise the method's deadline in the contract. It printed nothing.",
    ],
    [
      "scratch space",
      { doom: { kind: "disk" }, ending: killed, output: "writes" },
      "failed",
      "JOB_DISK_FULL",
      "Do of a.v1.A 1.0.0 filled its 64 MiB of scratch space and was killed. Raise job.disk in the contract, or stream what is large. Its last output:\nwrites",
    ],
    [
      "scratch space by its words",
      { ending: exited(2), output: "write failed: No space left on device" },
      "failed",
      "JOB_DISK_FULL",
      "Do of a.v1.A 1.0.0 filled its 64 MiB of scratch space and failed. Raise job.disk in the contract, or stream what is large. Its last output:\nwrite failed: No space left on device",
    ],
    [
      "memory",
      { ending: { signal: "SIGKILL", outOfMemory: true } },
      "failed",
      "JOB_OUT_OF_MEMORY",
      "Do of a.v1.A 1.0.0 used more than its 64 MiB of memory (and 64 MiB of scratch space) and was killed. Raise resources.memory in the contract, or let it use less. It printed nothing.",
    ],
    [
      "what kept it from its artifacts",
      { ending: exited(1), told: { ...told, reason: "HANDLER_FAILED" }, stumbled: corrupt },
      "failed",
      "ARTIFACT_CORRUPT",
      "is damaged",
    ],
    [
      "what kept it from its artifacts, which it passes on",
      { ending: exited(1), told: { ...corrupt, message: "reads: is damaged" }, stumbled: corrupt },
      "failed",
      "ARTIFACT_CORRUPT",
      "is damaged",
    ],
    [
      "what kept it from its artifacts, before its exit code",
      { ending: exited(1), stumbled: corrupt },
      "failed",
      "ARTIFACT_CORRUPT",
      "is damaged",
    ],
    [
      "its own word though something kept it from its artifacts",
      { ending: exited(1), told, stumbled: corrupt },
      "failed",
      "OWN",
      "its own words",
    ],
    [
      "an agent that ended in the midst of a stream",
      { ending: exited(18), cutOff: true },
      "failed",
      "JOB_LOST",
      "Do of a.v1.A 1.0.0 was cut off from its artifacts when the agent of its host ended, and did not outlive that. It printed nothing.",
    ],
    [
      "its own word though it was cut off",
      { ending: exited(1), told, cutOff: true },
      "failed",
      "OWN",
      "its own words",
    ],
    ["its own word", { ending: exited(1), told }, "failed", "OWN", "its own words"],
    [
      "its exit code",
      { ending: exited(3), output: "oh" },
      "failed",
      "JOB_EXITED",
      "Do of a.v1.A 1.0.0 exited with code 3. Its last output:\noh",
    ],
    [
      "a signal",
      { ending: { signal: "SIGSEGV", outOfMemory: false, detail: "odd" } },
      "failed",
      "JOB_EXITED",
      "Do of a.v1.A 1.0.0 was ended by SIGSEGV (odd). It printed nothing.",
    ],
    [
      "no result",
      {},
      "failed",
      "JOB_NO_RESULT",
      "Do of a.v1.A 1.0.0 ended with code 0, but told no result. Let it POST one to /v1/result on its socket (an empty body stands for an empty message), as serve() of rouse/server does. It printed nothing.",
    ],
    [
      "nobody saw it",
      { ending: { outOfMemory: false } },
      "failed",
      "JOB_LOST",
      "Do of a.v1.A 1.0.0 was lost: nobody saw its end.",
    ],
  ];
  test.each(cases)("%s", (_, facts, state, reason, message) => {
    const hostFault = reason === "JOB_LOST";
    expect(end(facts)).toMatchObject({ state, error: { reason, message, hostFault } });
  });
});
