import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, runningInstances, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { traffic } from "./support/traffic.ts";

const service = "probe.v1.ProbeService";
const restlessVersions = ["2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0"];

describe("a mesh under traffic", () => {
  let mesh: TestMesh;
  let steady: Probe;
  const restless: Probe[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
    steady = await makeProbe({ version: "1.0.0" });
    await steady.register(mesh.data);
    for (const version of restlessVersions) {
      const probe = await makeProbe({ version, idleTimeout: "1s" });
      restless.push(probe);
      await probe.register(mesh.data);
    }
  });
  afterAll(async () => {
    await mesh?.close();
    await steady?.remove();
    for (const probe of restless) await probe.remove();
  });

  const client = (version: string) =>
    // Without retries, so that every lost call is seen.
    createProbeServiceClient({ target: mesh.edge, version, retries: 0 });

  const untilAllCold = (versions: readonly string[]) =>
    until(`${versions} are cold`, async () => {
      const live = await liveVersions(mesh, service).catch(() => undefined);
      return (
        live?.every(({ version, instances }) => !versions.includes(version) || instances.length === 0) ===
        true
      );
    });

  test("loses no call in a hundred rounds of idling and waking", async () => {
    const generations = async () =>
      (await liveVersions(mesh, service))
        .filter(({ version }) => restlessVersions.includes(version))
        .reduce((sum, { generation }) => sum + generation, 0);
    const before = await generations();
    using warm = client("1.0.0");
    const calls = traffic(warm, 2);
    const lost: string[] = [];
    await Promise.all(
      restlessVersions.map(async (version) => {
        using probe = client(version);
        // What may be lost is a call just when its version goes idle, which is 2.5 to 4.5 s after the last one.
        for (let round = 0; round < 20; round++) {
          await probe.echo({ text: String(round) }, { deadlineMs: 30_000 }).catch((error: unknown) => {
            lost.push(`${version} in round ${round}: ${error}`);
          });
          await sleep(2_500 + round * 100);
        }
      }),
    );
    const { failures } = await calls.stop();
    expect([...lost, ...failures]).toEqual([]);
    expect((await generations()) - before).toBeGreaterThan(50);
  });

  test("a restarted control plane costs no call and wakes nothing", async () => {
    await untilAllCold(restlessVersions);
    using probe = client("1.0.0");
    const calls = traffic(probe, 4);
    await calls.more(50);
    await mesh.restart("control-plane");
    await calls.more(200);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    expect(calls.instances.size).toBe(1);
    // The others were cold and stayed so.
    expect(await runningInstances(mesh, service)).toEqual([...calls.instances]);
  });

  test("an agent that was killed adopts its instances", async () => {
    using probe = client("1.0.0");
    const calls = traffic(probe, 4);
    await calls.more(20);
    await mesh.restart("agent", "SIGKILL");
    await calls.more(100);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    expect(calls.instances.size).toBe(1);
    // The adopted instance is stopped when its version is: the agent knows it again.
    using other = client("2.0.0");
    expect((await other.echo({ text: "cold start after the restart" })).version).toBe("2.0.0");
  });

  test("a restarted Consul is found again", async () => {
    using probe = client("1.0.0");
    const calls = traffic(probe, 4);
    await calls.more(20);
    await mesh.restart("consul", "SIGKILL");
    await calls.more(100);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    using other = client("2.0.0");
    await untilAllCold(["2.0.0"]);
    expect((await other.echo({ text: "cold start" }, { deadlineMs: 30_000 })).version).toBe("2.0.0");
  });

  test("an instance that was killed is replaced", async () => {
    using probe = client("1.0.0");
    const first = await probe.echo({ text: "who" });
    await mesh.killInstance(first.instance);
    await until("another instance serves", async () => {
      const versions = await liveVersions(mesh, service);
      const ids = versions.find(({ version }) => version === "1.0.0")?.instances.map(({ id }) => id) ?? [];
      return ids.length > 0 && !ids.includes(first.instance);
    });
    const second = await probe.echo({ text: "who" }, { deadlineMs: 30_000 });
    expect(second.instance).not.toBe(first.instance);
  });
});
