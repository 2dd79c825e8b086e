import { expect, test } from "vitest";
import { freePorts } from "../../test/support/consul.ts";
import { failure } from "../testing/rig.ts";
import { describeWake, WakeReader } from "./wakes.ts";

const wake = {
  service: "a.v1.A",
  version: "1.0.0",
  generation: 2,
  host: "h",
  traceId: "",
  heldMs: 1_000,
  placedMs: 1_002,
  createdMs: 1_010,
  startedMs: 1_011,
  readyMs: 1_100,
  pushedMs: 1_103,
  releasedMs: 1_110,
  error: "",
};

test("a wake is told with the length of each stage, one after the other", () => {
  expect(describeWake(wake)).toEqual({
    service: "a.v1.A",
    version: "1.0.0",
    generation: 2,
    heldAtMs: 1_000,
    host: "h",
    error: "",
    stages: [
      { name: "placed", durationMs: 2 },
      { name: "created", durationMs: 8 },
      { name: "started", durationMs: 1 },
      { name: "ready", durationMs: 89 },
      { name: "pushed", durationMs: 3 },
      { name: "released", durationMs: 7 },
    ],
  });
});

test("stages that were not reached are left out", () => {
  const failed = { ...wake, startedMs: 0, readyMs: 0, pushedMs: 0, releasedMs: 0, error: "exited" };
  expect(describeWake(failed)).toMatchObject({
    error: "exited",
    stages: [{ name: "placed" }, { name: "created" }],
  });
});

test("a control plane that does not answer is named", async () => {
  const [port] = await freePorts(1);
  const reader = new WakeReader(`127.0.0.1:${port}`);
  const error = await failure(reader.list("", 0));
  reader.close();
  expect([error.status, error.reason, error.message]).toEqual([
    "UNAVAILABLE",
    "CONTROL_UNREACHABLE",
    `The control plane at 127.0.0.1:${port}, which knows the wakes, does not answer. Start it, or see to its log.`,
  ]);
});
