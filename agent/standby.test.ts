import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../sdk/grpc.ts";
import { cpuTicks } from "./runtimes/proc.ts";
import { findEngine, removeBundleImage } from "./testing/docker.ts";
import { check } from "./testing/health-check.ts";
import { failure, type Rig, SERVICE, startRig, type TestAgent, until } from "./testing/rig.ts";

const { engine, missing } = await findEngine();
const mebibyte = 2 ** 20;

for (const runtime of ["process", "docker"] as const) {
  const skipped = runtime === "docker" ? missing : "";
  describe.skipIf(skipped !== "")(`standby by ${runtime}${skipped && ` (skipped: ${skipped})`}`, () => {
    let rig: Rig;
    let agent: TestAgent;
    beforeAll(async () => {
      rig = await startRig();
      agent = await rig.start({ runtime });
    });
    afterAll(async () => {
      agent?.close();
      await rig?.close();
      if (runtime === "docker" && rig !== undefined) await removeBundleImage(engine, rig.bundle.digest);
    });

    /** CPU time that an instance has had, in whatever unit. */
    const cpuTime = async (runtimeId: string): Promise<number> => {
      if (runtime === "process") return cpuTicks(Number(runtimeId));
      const stats = await engine.docker.getContainer(runtimeId).stats({ stream: false, "one-shot": true });
      return stats.cpu_stats.cpu_usage.total_usage;
    };
    const lines = async (of: TestAgent, instanceId: string): Promise<string[]> => {
      const call = of.client.logs({ instanceId, service: "", version: "", tail: 10_000, follow: false });
      const found: string[] = [];
      for await (const { line } of call as AsyncIterable<{ line: string }>) found.push(line);
      return found;
    };
    const suspend = (of: TestAgent, instanceId: string, generation = 2, lastUsedMs = 1_000) =>
      unary(of.client, "suspendInstance", { fencingToken: 0, instanceId, generation, lastUsedMs });
    const resume = (of: TestAgent, instanceId: string, generation = 2) =>
      unary(of.client, "resumeInstance", { fencingToken: 0, instanceId, generation });
    const inConsul = async (id: string): Promise<Record<string, string | boolean> | undefined> => {
      const { text } = await rig.kv.request("GET", `/v1/health/service/${SERVICE}`);
      const entries = JSON.parse(text) as {
        Service: { ID: string; Meta: Record<string, string> };
        Checks: { Status: string }[];
      }[];
      const found = entries.find(({ Service }) => Service.ID === id);
      return found && { ...found.Service.Meta, passing: found.Checks.every((c) => c.Status === "passing") };
    };

    test("costs no CPU, keeps what it is asked, and answers when it is resumed", async () => {
      const { instance } = await agent.start("frozen", rig.spec("chatty"));
      await agent.start("witness", rig.spec("chatty"));
      const runtimeId = instance?.runtimeId ?? "";
      await until("it chats", async () => (await lines(agent, "frozen")).length > 3);
      const suspended = await suspend(agent, "frozen");
      expect(suspended.instance).toMatchObject({ state: InstanceState.STANDBY, generation: 2 });
      expect(suspended.instance?.standbySinceMs).toBeGreaterThan(0);
      // Again: nothing changes.
      await suspend(agent, "frozen");
      await until("Consul says so", async () => (await inConsul("frozen"))?.standby === "true");
      expect(await inConsul("frozen")).toMatchObject({ generation: "2", "last-used": "1000", passing: true });

      const before = { cpu: await cpuTime(runtimeId), said: (await lines(agent, "frozen")).length };
      const heard = (await lines(agent, "witness")).length;
      await until("another one says fifty lines", async () => {
        return (await lines(agent, "witness")).length >= heard + 50;
      });
      expect({ cpu: await cpuTime(runtimeId), said: (await lines(agent, "frozen")).length }).toEqual(before);
      expect(await unary(agent.client, "getStatus", {})).toMatchObject({
        standby: 1,
        standbyMemoryBytes: 128 * mebibyte,
      });

      const question = check(instance?.address ?? "");
      const resumed = await resume(agent, "frozen", 3);
      expect(resumed.instance).toMatchObject({ state: InstanceState.SERVING, generation: 3 });
      expect(resumed.thawedMs).toBeGreaterThanOrEqual(resumed.acceptedMs);
      expect(await question).toBe(1);
      await until("it chats on", async () => (await lines(agent, "frozen")).length > before.said);
      await until("Consul says so", async () => (await inConsul("frozen"))?.standby === undefined);
      expect(await inConsul("frozen")).toMatchObject({ generation: "3", passing: true });
      // One that serves is only taken over.
      expect((await resume(agent, "frozen", 4)).instance).toMatchObject({ generation: 4 });
      await agent.stop("witness");
      await agent.stop("frozen");
    });

    test("is thawed unasked when somebody waits and nobody has it resumed", async () => {
      const { instance } = await agent.start("awaited", rig.spec("serve"));
      await suspend(agent, "awaited");
      expect(await check(instance?.address ?? "")).toBe(1);
      expect(await agent.get("awaited")).toMatchObject({ state: InstanceState.SERVING, generation: 2 });
      await agent.stop("awaited");
    });

    test("one that is stopped out of standby ends gracefully", async () => {
      await agent.start("stopped", rig.spec("serve"));
      await suspend(agent, "stopped");
      await agent.stop("stopped");
      expect((await lines(agent, "stopped")).at(-1)).toBe("told to end");
      expect(await agent.get("stopped")).toMatchObject({ state: InstanceState.STOPPED, standbySinceMs: 0 });
      expect(await failure(resume(agent, "stopped"))).toMatchObject({ reason: "INSTANCE_ENDED" });
    });

    test("one that dies on standby is buried", async () => {
      const { instance } = await agent.start("dies", rig.spec("serve"));
      await suspend(agent, "dies");
      if (runtime === "docker") await engine.docker.getContainer(instance?.runtimeId ?? "").kill();
      else process.kill(Number(instance?.runtimeId), "SIGKILL");
      // Version 1 of cgroups lets nobody die who is frozen.
      await resume(agent, "dies").catch(() => undefined);
      await until("it has failed", async () => (await agent.get("dies")).state === InstanceState.FAILED);
      await until("Consul has it no more", async () => (await inConsul("dies")) === undefined);
    });

    test("refuses what cannot be put on standby, and stale commands", async () => {
      const hanging = failure(agent.start("hangs", rig.spec("hang")));
      await until("it starts", async () => (await agent.list()).some(({ id }) => id === "hangs"));
      const error = await failure(suspend(agent, "hangs"));
      expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "NOT_SERVING" });
      expect(error.message).toContain("Instance hangs is starting");
      await agent.stop("hangs");
      await hanging;
      expect(await failure(suspend(agent, "nobody"))).toMatchObject({ reason: "INSTANCE_UNKNOWN" });
      await agent.start("fenced", rig.spec("serve"), 7);
      const command = { fencingToken: 6, instanceId: "fenced", generation: 2 };
      for (const refused of [
        unary(agent.client, "suspendInstance", { ...command, lastUsedMs: 0 }),
        unary(agent.client, "resumeInstance", command),
      ])
        expect(await failure(refused)).toMatchObject({ reason: "STALE_TOKEN" });
      await agent.stop("fenced");
    });
  });

  describe.skipIf(skipped !== "")(`standby by ${runtime} and the next agent`, () => {
    test("the next agent finds it frozen, and can resume it", async () => {
      const rig = await startRig();
      try {
        const first = await rig.spawn(runtime);
        const { instance } = await first.start("kept", rig.spec("chatty"));
        const request = { fencingToken: 0, instanceId: "kept", generation: 2, lastUsedMs: 5 };
        await unary(first.client, "suspendInstance", request);
        const killed = once(first.child, "exit");
        first.child.kill("SIGKILL");
        await killed;
        first.close();
        const second = await rig.spawn(runtime);
        expect(await second.get("kept")).toMatchObject({
          state: InstanceState.STANDBY,
          runtimeId: instance?.runtimeId,
          generation: 2,
        });
        const question = check(instance?.address ?? "");
        const resumed = await unary(second.client, "resumeInstance", request);
        expect(resumed.instance).toMatchObject({ state: InstanceState.SERVING });
        expect(await question).toBe(1);
        await second.stop("kept");
        second.child.kill("SIGUSR2");
        await once(second.child, "exit");
        second.close();
      } finally {
        await rig.close();
        if (runtime === "docker") await removeBundleImage(engine, rig.bundle.digest);
      }
    });
  });
}

describe("memory", () => {
  test("what was used longest ago makes room for what starts", async () => {
    const rig = await startRig();
    try {
      const agent = await rig.start({ runtime: "process", memoryBytes: 3 * 128 * mebibyte, cpu: 8 });
      for (const [instanceId, lastUsedMs] of [
        ["newer", 2_000],
        ["oldest", 1_000],
        ["newest", 3_000],
      ] as const) {
        await agent.start(instanceId, rig.spec("serve"));
        await unary(agent.client, "suspendInstance", {
          fencingToken: 0,
          instanceId,
          generation: 2,
          lastUsedMs,
        });
      }
      const { instance } = await agent.start("next", rig.spec("serve"));
      expect(instance?.state).toBe(InstanceState.SERVING);
      const states = async () => Object.fromEntries((await agent.list()).map(({ id, state }) => [id, state]));
      expect(await states()).toEqual({
        oldest: InstanceState.STOPPED,
        newer: InstanceState.STANDBY,
        newest: InstanceState.STANDBY,
        next: InstanceState.SERVING,
      });
      expect((await agent.get("oldest")).reason).toBe(
        `evicted from standby: ${SERVICE} 1.0.0 needs its place`,
      );
      // What would not fit even then evicts nothing.
      const error = await failure(
        agent.start("huge", rig.spec("serve", { memoryBytes: 3 * 128 * mebibyte })),
      );
      expect(error).toMatchObject({ reason: "HOST_FULL" });
      expect((await states()).newer).toBe(InstanceState.STANDBY);
      // Two at once never share what one gives back.
      await Promise.all([agent.start("a", rig.spec("serve")), agent.start("b", rig.spec("serve"))]);
      expect(await states()).toMatchObject({ newer: InstanceState.STOPPED, newest: InstanceState.STOPPED });
      expect(await failure(agent.start("c", rig.spec("serve")))).toMatchObject({ reason: "HOST_FULL" });
      agent.close();
    } finally {
      await rig.close();
    }
  });

  test("what starts on a full host waits for one that is being stopped, and gets its place", async () => {
    const rig = await startRig();
    try {
      const agent = await rig.start({ runtime: "process", memoryBytes: 128 * mebibyte, cpu: 8 });
      await agent.start("old", rig.spec("stubborn"));
      const stopped = agent.stop("old", 2_000);
      await until("it is told to end", async () => (await agent.get("old")).state !== InstanceState.SERVING);
      const { instance } = await agent.start("next", rig.spec("serve"));
      expect(instance?.state).toBe(InstanceState.SERVING);
      await stopped;
      expect((await agent.get("old")).reason).toBe("the test stops it");
      expect(await failure(agent.start("another", rig.spec("serve")))).toMatchObject({ reason: "HOST_FULL" });
      agent.close();
    } finally {
      await rig.close();
    }
  });

  test("a host that is short of real memory lets go of what it does not need", async () => {
    const rig = await startRig();
    try {
      const first = await rig.start({ runtime: "process" });
      for (const id of ["warm", "newer", "older"]) await first.start(id, rig.spec("serve"));
      for (const [instanceId, lastUsedMs] of [["newer", 2] as const, ["older", 1] as const])
        await unary(first.client, "suspendInstance", {
          fencingToken: 0,
          instanceId,
          generation: 2,
          lastUsedMs,
        });
      first.close();
      await first.agent?.close();
      // More than all of them together, so that one is not enough.
      const agent = await rig.start({ runtime: "process", keepFreeBytes: Number.MAX_SAFE_INTEGER });
      const frozen = () => Promise.all(["older", "newer"].map((id) => agent.get(id)));
      await until("both are evicted", async () =>
        (await frozen()).every(({ state }) => state === InstanceState.STOPPED),
      );
      const [older, newer] = await frozen();
      expect(older?.endedAtMs).toBeLessThan(newer?.endedAtMs ?? 0);
      for (const { reason } of await frozen())
        expect(reason).toMatch(
          /^evicted from standby: \d+ of \d+ MiB of the host's memory are left, and \d+ are to be kept free$/,
        );
      expect(await agent.get("warm")).toMatchObject({ state: InstanceState.SERVING });
      agent.close();
    } finally {
      await rig.close();
    }
  });
});

test("threads of the agent cannot be put on standby", async () => {
  const rig = await startRig();
  try {
    const agent = await rig.start({ runtime: "in-process" });
    await agent.start("thread", rig.spec("serve"));
    const command = { fencingToken: 0, instanceId: "thread", generation: 2, lastUsedMs: 1 };
    const error = await failure(unary(agent.client, "suspendInstance", command));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "SUSPEND_UNSUPPORTED" });
    expect(error.message).toContain("the runtime in-process has no standby");
    expect(await agent.get("thread")).toMatchObject({ state: InstanceState.SERVING, generation: 1 });
    agent.close();
  } finally {
    await rig.close();
  }
});
