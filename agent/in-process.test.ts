import { afterAll, beforeAll, expect, test } from "vitest";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../sdk/grpc.ts";
import { failure, type Rig, startRig, type TestAgent, until } from "./testing/rig.ts";

let rig: Rig;
let agent: TestAgent;
beforeAll(async () => {
  rig = await startRig();
  agent = await rig.start({ runtime: "in-process" });
});
afterAll(async () => {
  agent?.close();
  await rig?.close();
});

test("runs a bundle as a thread, and says what it cannot enforce", async () => {
  const { instance } = await agent.start("thread", rig.spec("serve"));
  expect(instance).toMatchObject({ state: InstanceState.SERVING, runtime: "in-process" });
  await until("Consul has it", async () => (await rig.registered()).length === 1);
  const { unenforced } = await unary(agent.client, "getStatus", {});
  expect(unenforced.map((line) => line.split(":")[0])).toEqual(["cpu", "memory"]);
  await agent.stop("thread");
  expect(await rig.registered()).toEqual([]);
});

test("says how one ended that exits at once, without ending the agent", async () => {
  const error = await failure(agent.start("exits", rig.spec("exit")));
  expect(error).toMatchObject({ status: "ABORTED", reason: "INSTANCE_EXITED" });
  expect(error.message).toContain("exited with code 3");
});

test("ends one that never gets ready, and one that does not listen to reason", async () => {
  const error = await failure(agent.start("hangs", rig.spec("hang", { startTimeoutMs: 500 })));
  expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "START_TIMEOUT" });
  expect(error.message).toContain("never announced itself on ROUSE_NOTIFY");
  await agent.start("stubborn", rig.spec("stubborn"));
  await agent.stop("stubborn", 100);
  expect(await agent.get("stubborn")).toMatchObject({ state: InstanceState.STOPPED });
});

test("keeps the output", async () => {
  await agent.start("spoke", rig.spec("serve"));
  await agent.stop("spoke");
  const lines: string[] = [];
  for await (const { line } of agent.client.logs({
    instanceId: "spoke",
    service: "",
    version: "",
    tail: 0,
    follow: false,
  }) as AsyncIterable<{ line: string }>)
    lines.push(line);
  expect(lines).toContain("listening with an asset");
});
