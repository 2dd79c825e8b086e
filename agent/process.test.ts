import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InstanceState, type LogLine } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../sdk/grpc.ts";
import { makeFolders } from "./folders.ts";
import { check } from "./testing/health-check.ts";
import { failure, type Rig, SERVICE, startRig, type TestAgent, until } from "./testing/rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.close());

/** Processes that any agent of this data folder has started and that still run. */
function strays(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`ROUSE_NOTIFY=${rig.dataDir}/`);
    } catch {
      return false;
    }
  });
}

describe("an agent with the process runtime", () => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await rig.start({ runtime: "process", zone: "left" });
  });
  afterAll(() => agent?.close());

  test("starts, announces, stops and leaves nothing", async () => {
    const { instance, times } = await agent.start("life", rig.spec("serve"));
    expect(instance).toMatchObject({ id: "life", state: InstanceState.SERVING, runtime: "process" });
    expect(times?.acceptedMs).toBeLessThanOrEqual(times?.createdMs ?? 0);
    expect(times?.createdMs).toBeLessThanOrEqual(times?.startedMs ?? 0);
    expect(times?.startedMs).toBeLessThanOrEqual(times?.readyMs ?? 0);
    await until("Consul has it", async () =>
      (await rig.registered()).some(({ id, passing }) => id === "life" && passing),
    );
    const told = readFileSync(`/proc/${instance?.runtimeId}/environ`, "utf8").split("\0");
    expect(told).toEqual(expect.arrayContaining(["ROUSE_INSTANCE=life", "ROUSE_ZONE=left"]));
    await agent.stop("life");
    expect(await rig.registered()).toEqual([]);
    expect(await agent.get("life")).toMatchObject({
      state: InstanceState.STOPPED,
      reason: "the test stops it",
    });
    expect(strays()).toEqual([]);
  });

  test("starts once, however often the same start is asked for", async () => {
    const spec = rig.spec("serve");
    const [one, two] = await Promise.all([agent.start("twice", spec), agent.start("twice", spec)]);
    expect(two.instance?.runtimeId).toBe(one.instance?.runtimeId);
    const later = await agent.start("twice", spec);
    expect(later.instance?.runtimeId).toBe(one.instance?.runtimeId);
    const other = await failure(agent.start("twice", rig.spec("hang")));
    expect(other).toMatchObject({ status: "ALREADY_EXISTS", reason: "INSTANCE_ID_TAKEN" });
    await agent.stop("twice");
    expect(await failure(agent.start("twice", spec))).toMatchObject({
      status: "ABORTED",
      reason: "INSTANCE_ENDED",
    });
  });

  test("says how one ended that exits at once", async () => {
    const error = await failure(agent.start("exits", rig.spec("exit")));
    expect(error).toMatchObject({ status: "ABORTED", reason: "INSTANCE_EXITED" });
    expect(error.message).toContain("exited with code 3");
    expect(error.message).toContain("no configuration: giving up");
    expect(await agent.get("exits")).toMatchObject({ state: InstanceState.FAILED, reason: error.message });
  });

  test("says that one never got ready", async () => {
    const error = await failure(agent.start("hangs", rig.spec("hang", { startTimeoutMs: 500 })));
    expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "START_TIMEOUT" });
    expect(error.message).toContain(
      "was not ready within its start timeout of 500 ms: it runs, but listens nowhere",
    );
    expect(strays()).toEqual([]);
  });

  test("says that one listens elsewhere and never announces itself", async () => {
    const error = await failure(agent.start("elsewhere", rig.spec("other-port", { startTimeoutMs: 1_500 })));
    expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "WRONG_PORT" });
    expect(error.message).toMatch(/it listens on \S+:\d+, but never announced itself/);
  });

  test("says that one is not healthy", async () => {
    const error = await failure(agent.start("sick", rig.spec("not-serving", { startTimeoutMs: 1_500 })));
    expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "START_TIMEOUT" });
    expect(error.message).toContain("its health (grpc.health.v1) is NOT_SERVING");
  });

  test("says that one used too much memory", async () => {
    const status = await unary(agent.client, "getStatus", {});
    if (status.unenforced.some((line) => line.startsWith("memory"))) return;
    const error = await failure(agent.start("hog", rig.spec("hog-at-start")));
    expect(error).toMatchObject({ status: "ABORTED", reason: "INSTANCE_OUT_OF_MEMORY" });
    expect(error.message).toContain("used more than its 128 MiB of memory and was killed (out of memory)");
  });

  test("says that one is too big for the host, and that there is no room left", async () => {
    const { cpuTotal, cpuUsed } = await unary(agent.client, "getStatus", {});
    const big = await failure(agent.start("big", rig.spec("serve", { cpu: cpuTotal + 1 })));
    expect(big).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "HOST_TOO_SMALL" });
    expect(big.message).toContain(`needs ${cpuTotal + 1} cores`);
    expect(big.message).toContain('host "test-host" has only');
    await agent.start("filler", rig.spec("serve", { cpu: cpuTotal - cpuUsed }));
    const full = await failure(agent.start("late", rig.spec("serve", { cpu: 0.5 })));
    expect(full).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "HOST_FULL" });
    expect(full.message).toMatch(/needs 0.5 cores and 128 MiB of memory, but .* has only 0 cores .* left of/);
    await agent.stop("filler");
    await agent.start("late", rig.spec("serve", { cpu: 0.5 }));
    await agent.stop("late");
  });

  test("refuses what it cannot run", async () => {
    const image = await failure(agent.start("image", rig.spec("serve", { bundle: "", image: "some:1" })));
    expect(image).toMatchObject({ status: "FAILED_PRECONDITION", reason: "IMAGE_NEEDS_ENGINE" });
    const bundle = await failure(agent.start("lost", rig.spec("serve", { bundle: "0".repeat(64) })));
    expect(bundle).toMatchObject({ status: "UNAVAILABLE", reason: "REGISTRY_UNREACHABLE" });
    const mounts = [{ source: "/nowhere/at/all", target: "/data" }];
    const mount = await failure(agent.start("mount", rig.spec("serve", { mounts })));
    expect(mount).toMatchObject({ status: "FAILED_PRECONDITION", reason: "MOUNT_MISSING" });
    expect(mount.message).toContain("/nowhere/at/all");
    expect(await failure(agent.start("No Id", rig.spec("serve")))).toMatchObject({
      reason: "INSTANCE_ID_INVALID",
    });
    for (const changes of [{ cpu: 0 }, { memoryBytes: 1 }, { bundle: "" }, { image: "x" }, { service: "" }])
      expect(await failure(agent.start("bad", rig.spec("serve", changes)))).toMatchObject({
        reason: "SPEC_INVALID",
      });
    expect(await failure(agent.stop("nobody"))).toMatchObject({
      status: "NOT_FOUND",
      reason: "INSTANCE_UNKNOWN",
    });
  });

  test("stops one half-way through its start", async () => {
    const starting = failure(agent.start("half", rig.spec("hang")));
    await until("its process runs", async () => (await agent.get("half")).runtimeId !== "");
    await agent.stop("half");
    const error = await starting;
    expect(error).toMatchObject({ status: "CANCELLED", reason: "START_STOPPED" });
    expect(error.message).toContain("the test stops it");
    expect(strays()).toEqual([]);
    expect(await rig.registered()).toEqual([]);
  });

  test("kills one that does not end within its grace time", async () => {
    await agent.start("stubborn", rig.spec("stubborn"));
    await agent.stop("stubborn", 200);
    expect(strays()).toEqual([]);
  });

  test("takes one out of Consul at once when it dies, and says why", async () => {
    const { instance } = await agent.start("dies", rig.spec("serve"));
    await until("Consul has it", async () => (await rig.registered()).length === 1);
    process.kill(Number(instance?.runtimeId), "SIGKILL");
    await until("Consul has it no more", async () => (await rig.registered()).length === 0);
    await until("it has failed", async () => (await agent.get("dies")).state === InstanceState.FAILED);
    expect((await agent.get("dies")).reason).toContain(
      "was ended by SIGKILL. Its last output:\nlistening with an asset",
    );
  });

  test("tells Consul when one does not serve for a while", async () => {
    const { instance } = await agent.start("toggle", rig.spec("toggle"));
    const only = async () => (await rig.registered())[0];
    await until("it passes", async () => (await only())?.passing === true);
    await check(instance?.address ?? "");
    await until("it is critical", async () => (await only())?.passing === false);
    expect((await only())?.draining).toBe(true);
    await check(instance?.address ?? "");
    await until("it passes again", async () => (await only())?.passing === true && !(await only())?.draining);
    await agent.stop("toggle");
  });

  test("follows output, of one and of a service, and keeps that of the dead", async () => {
    const follow = async (
      request: { instanceId: string; service: string },
      enough: (lines: LogLine[]) => boolean,
    ) => {
      const call = agent.client.logs({ version: "", tail: 0, follow: true, ...request });
      const lines: LogLine[] = [];
      call.on("error", () => {});
      for await (const line of call) {
        lines.push(line);
        if (enough(lines)) break;
      }
      call.cancel();
      return lines.map(({ line }) => line);
    };
    const service = follow({ instanceId: "", service: SERVICE }, (lines) =>
      lines.some(({ instanceId, line }) => instanceId === "chatty" && line === "line 3"),
    );
    await agent.start("chatty", rig.spec("chatty"));
    const one = await follow({ instanceId: "chatty", service: "" }, (lines) => lines.length >= 12);
    const numbers = one.filter((line) => line.startsWith("line ")).map((line) => Number(line.slice(5)));
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(await service).toContain("listening with an asset");
    await agent.stop("chatty");
    const dead: string[] = [];
    for await (const { line } of agent.client.logs({
      instanceId: "chatty",
      service: "",
      version: "",
      tail: 2,
      follow: false,
    }) as AsyncIterable<LogLine>)
      dead.push(line);
    expect(dead).toHaveLength(2);
    expect(dead).toContain("told to end");
    const nothing = agent.client.logs({ instanceId: "", service: "", version: "", tail: 0, follow: false });
    await expect(async () => {
      for await (const _ of nothing);
    }).rejects.toThrow("Name either an instance or a service");
  });

  test("refuses commands of a replaced orchestrator, also after its restart", async () => {
    await agent.start("fenced", rig.spec("serve"), 7);
    const old = await failure(agent.start("other", rig.spec("serve"), 6));
    expect(old).toMatchObject({ status: "FAILED_PRECONDITION", reason: "STALE_TOKEN" });
    expect(old.message).toContain("fencing token 6 is older than 7");
    const request = { instanceId: "fenced", generation: 2 };
    expect(
      await failure(unary(agent.client, "setGeneration", { ...request, fencingToken: 6 })),
    ).toMatchObject({
      reason: "STALE_TOKEN",
    });
    const moved = await unary(agent.client, "setGeneration", { ...request, fencingToken: 7 });
    expect(moved.instance?.generation).toBe(2);
    // The next leader's first question is enough: from then on its predecessor stops nothing.
    await unary(agent.client, "listInstances", { fencingToken: 8 });
    const stop = { instanceId: "fenced", graceMs: 0, reason: "test" };
    expect(await failure(unary(agent.client, "stopInstance", { ...stop, fencingToken: 7 }))).toMatchObject({
      reason: "STALE_TOKEN",
    });
    await agent.stop("fenced");
    expect((await unary(agent.client, "getStatus", {})).fencingToken).toBe(8);
    expect(readFileSync(join(rig.dataDir, "agent", "fencing.json"), "utf8")).toContain("8");
  });

  test("allows one agent for each data folder", async () => {
    expect(await failure(rig.start({ runtime: "process" }))).toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "AGENT_RUNNING",
    });
  });

  test("mends Consul when it has lost everything, and removes what does not run", async () => {
    await agent.start("kept", rig.spec("serve"));
    await until("Consul has it", async () => (await rig.registered()).length === 1);
    await rig.consul.restart({ fresh: true });
    await until("Consul has it again", async () => (await rig.registered().catch(() => [])).length === 1);
    const stranger = { Name: SERVICE, ID: "ghost", Tags: ["rouse"], Meta: { host: "test-host" } };
    await rig.kv.request("PUT", "/v1/agent/service/register", { body: JSON.stringify(stranger) });
    // The catalog hears of it a moment later than this Consul.
    const here = async () => (await rig.kv.request("GET", "/v1/agent/services")).text;
    await until("the ghost is taken out", async () => !(await here()).includes('"ghost"'));
    await until("the ghost is gone", async () => (await rig.registered()).every(({ id }) => id !== "ghost"));
    await agent.stop("kept");
  });

  test("closes with all that runs", async () => {
    await agent.start("last", rig.spec("serve"));
    await agent.agent?.close({ stopInstances: true });
    expect(strays()).toEqual([]);
    expect(await rig.registered()).toEqual([]);
    const { owner } = makeFolders(rig.dataDir);
    for (const controller of ["cpu", "memory", "pids", "."])
      expect(existsSync(`/sys/fs/cgroup/${controller}/rouse/${owner}`)).toBe(false);
  });
});

test("an agent with another runtime ends what the former one left", async () => {
  const first = await rig.spawn("process");
  await first.start("left", rig.spec("serve"));
  await until("Consul has it", async () => (await rig.registered()).length === 1);
  const killed = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await killed;
  first.close();
  expect(strays()).toHaveLength(1);

  const second = await rig.spawn("in-process");
  expect(strays()).toEqual([]);
  expect(await second.get("left")).toMatchObject({
    state: InstanceState.FAILED,
    reason: "the agent now uses the runtime in-process in place of process",
  });
  await until("Consul has nothing", async () => (await rig.registered()).length === 0);
  second.child.kill("SIGUSR2");
  await once(second.child, "exit");
  second.close();
});

test("an agent that was killed is replaced by one that adopts what runs and buries what does not", async () => {
  const first = await rig.spawn("process");
  const { instance } = await first.start("adopted", rig.spec("chatty"));
  const doomed = await first.start("doomed", rig.spec("serve"));
  const half = failure(first.start("half-started", rig.spec("hang")));
  await until("it starts", async () => (await first.get("half-started")).runtimeId !== "");
  const killed = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await killed;
  await half;
  first.close();
  process.kill(Number(doomed.instance?.runtimeId), "SIGKILL");

  const second = await rig.spawn("process");
  expect(await second.get("adopted")).toMatchObject({
    state: InstanceState.SERVING,
    runtimeId: instance?.runtimeId,
    address: instance?.address,
  });
  expect(await second.get("doomed")).toMatchObject({ state: InstanceState.FAILED });
  expect((await second.get("half-started")).reason).toContain(
    "the agent was restarted before the instance served",
  );
  await until("Consul has only the living", async () => {
    const there = await rig.registered();
    return there.length === 1 && there[0]?.id === "adopted" && there[0].passing;
  });
  const lines = second.client.logs({
    instanceId: "adopted",
    service: "",
    version: "",
    tail: 1,
    follow: true,
  });
  lines.on("error", () => {});
  let seen = 0;
  for await (const _ of lines) if (++seen === 3) break;
  lines.cancel();
  // The adopted one is still watched: its death is noticed.
  process.kill(Number(instance?.runtimeId), "SIGKILL");
  await until("its death is seen", async () => (await second.get("adopted")).state === InstanceState.FAILED);
  await until("Consul has nothing", async () => (await rig.registered()).length === 0);
  second.close();
  expect(strays()).toEqual([]);
});
