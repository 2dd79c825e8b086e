import { afterAll, beforeAll, expect, test } from "vitest";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { readHostRecord, updateHostRecord } from "../registry/host-record.ts";
import { failure, HOST, type Rig, startRig, type TestAgent, until } from "./testing/rig.ts";

let rig: Rig;
let agent: TestAgent;
beforeAll(async () => {
  rig = await startRig();
  agent = await rig.start({ runtime: "process" });
});
afterAll(() => rig?.close());

test("a host that was declared dead stops what runs before anything new starts", async () => {
  const mode = { mode: "cordoned" as const, reason: "odd", atMs: 1 };
  // It ends only when it is killed, so that there is time to look.
  await agent.start("orphan", rig.spec("stubborn"));
  const lost = { atMs: Date.UTC(2026, 0, 2), token: 7, instances: ["orphan"] };
  await updateHostRecord(rig.kv, HOST, () => ({ mode, lost }));
  await until("it drains", async () => (await agent.get("orphan")).state === InstanceState.DRAINING);
  const refused = await failure(agent.start("new", rig.spec("serve")));
  expect(refused).toMatchObject({ status: "UNAVAILABLE", reason: "HOST_SETTLING" });
  expect(refused.message).toBe(
    "Host test-host was declared dead at 2026-01-02T00:00:00.000Z and first stops what was replaced elsewhere; try again in a moment.",
  );
  await until("it is settled", async () => (await readHostRecord(rig.kv, HOST)).lost === undefined);
  expect((await agent.get("orphan")).state).toBe(InstanceState.STOPPED);
  // What people want of the host has not changed.
  expect(await readHostRecord(rig.kv, HOST)).toEqual({ mode });
  await until("it takes starts again", () =>
    agent.start("new", rig.spec("serve"), 7).then(
      () => true,
      () => false,
    ),
  );
  const stale = await failure(agent.start("old", rig.spec("serve"), 6));
  expect(stale).toMatchObject({ reason: "STALE_TOKEN" });
});
