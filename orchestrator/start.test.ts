import { pino } from "pino";
import { expect, test } from "vitest";
import { manifest, TestMesh, version } from "../mesh-config/testing/state.ts";
import { RouseError } from "../sdk/errors.ts";
import type { StatusName } from "../sdk/status.ts";
import { Orchestrator } from "./orchestrator.ts";
import { hostState } from "./placement/testing/fleet.ts";
import { pauseAfter, startInstance } from "./start.ts";

test.each<[string, StatusName, string | undefined, boolean, number | undefined]>([
  ["an agent that does not answer", "UNAVAILABLE", undefined, true, 250],
  ["one that first stops what was replaced elsewhere", "UNAVAILABLE", "HOST_SETTLING", true, 250],
  ["a bundle that the registry does not hand out yet", "UNAVAILABLE", "REGISTRY_UNREACHABLE", true, 1_000],
  ["an engine that is away, where no other host fits", "UNAVAILABLE", "ENGINE_UNAVAILABLE", false, 1_000],
  ["an engine that is away, where another host fits", "UNAVAILABLE", "ENGINE_UNAVAILABLE", true, undefined],
  ["an instance that exits", "ABORTED", "INSTANCE_EXITED", false, undefined],
])(
  "a start is tried again on its host after %s, or has failed",
  (_, status, reason, isElsewhere, pauseMs) => {
    const error = new RouseError(status, "words", reason === undefined ? {} : { reason });
    expect(pauseAfter(error, () => isElsewhere)).toBe(pauseMs);
  },
);

test("who holds calls hears each time that a start begins anew, as while its agent is away", async () => {
  const mesh = new TestMesh();
  const state = version(manifest("a.v1.A", "1.0.0", { startTimeoutMs: 120_000 }));
  mesh.put(state);
  const orchestrator = new Orchestrator({
    id: "a",
    log: pino({ level: "silent" }),
    mesh: {
      current: () => mesh.state,
      // Nobody listens there.
      hosts: () => [hostState("h1", { address: "127.0.0.1:1" })],
      updateActivation: () => Promise.reject(new Error("nothing is activated here")),
    },
  });
  try {
    const heard: string[] = [];
    orchestrator.subscribe(({ kind }) => {
      if (kind?.$case === "stages") heard.push(`${kind.value.target?.version}, ${kind.value.host}`);
    });
    orchestrator.lead(1);
    const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };
    startInstance(orchestrator, { target, host: "h1" }, state, 1);
    await expect.poll(() => heard.length, { timeout: 60_000 }).toBeGreaterThan(1);
    expect(new Set(heard)).toEqual(new Set(["1.0.0, h1"]));
  } finally {
    orchestrator.close();
  }
});
