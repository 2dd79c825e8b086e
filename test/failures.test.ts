import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readChildren } from "../cli/up/record.ts";
import { readActivation, updateActivation } from "../registry/activation.ts";
import { ConsulClient } from "../registry/consul.ts";
import type { RouseError } from "../sdk/errors.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, runningInstances, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

describe("a call that cannot be served says why", () => {
  let mesh: TestMesh;
  const probes: Probe[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
  });
  afterAll(async () => {
    await mesh?.close();
    for (const probe of probes) await probe.remove();
  });

  async function register(options: ProbeOptions, ...args: string[]) {
    const probe = await makeProbe(options);
    probes.push(probe);
    await probe.register(mesh.data, ...args);
    return probe;
  }

  async function refusal(version: string, target = mesh.edge, deadlineMs = 30_000): Promise<RouseError> {
    using client = createProbeServiceClient({ target, version, retries: 0 });
    try {
      await client.echo({ text: "x" }, { deadlineMs });
    } catch (error) {
      return error as RouseError;
    }
    throw new Error(`${version} answered`);
  }

  test("an instance that exits at once: with exit code and last output", async () => {
    await register({ version: "1.0.0" }, "--env", "PROBE_FAIL=exit");
    const { status, message } = await refusal("1.0.0");
    expect(status).toBe("UNAVAILABLE");
    expect(message).toContain(`${service} 1.0.0 does not start: `);
    expect(message).toMatch(/code 3/);
    expect(message).toContain("probe: the data folder is missing");
    expect(message).toMatch(/it was tried 2 times, before that: on \S+, it exited with code 3/);
    // Later callers are told the same at once, until the back-off ends.
    expect((await refusal("1.0.0")).message).toContain("probe: the data folder is missing");
    expect(await runningInstances(mesh, service)).toEqual([]);
  });

  test("an instance that never gets ready", async () => {
    await register({ version: "1.1.0", startTimeout: "2s" }, "--env", "PROBE_FAIL=hang");
    const { status, message } = await refusal("1.1.0");
    expect(status).toBe("UNAVAILABLE");
    expect(message).toContain("does not start: it was not ready within its start timeout of 2000 ms");
  });

  test("an instance that listens on another port than it should", async () => {
    await register({ version: "1.2.0", startTimeout: "2s" }, "--env", "PROBE_FAIL=port");
    expect((await refusal("1.2.0")).message).toMatch(/listens on .*50999/);
  });

  test("an instance that no host has room for", async () => {
    await register({ version: "1.3.0", cpu: 500 });
    const { status, message } = await refusal("1.3.0");
    expect(status).toBe("UNAVAILABLE");
    expect(message).toMatch(/no host fits: \S+ has [\d.]+ of [\d.]+ cores free, 500 needed/);
  });

  test("an instance that ends soon after it began to serve, each time", async () => {
    await register({ version: "1.5.0" }, "--env", "PROBE_FAIL=later");
    using client = createProbeServiceClient({ target: mesh.edge, version: "1.5.0", retries: 0 });
    await client.echo({ text: "x" }, { deadlineMs: 30_000 });
    const reason = async () =>
      (await liveVersions(mesh, service)).find(({ version }) => version === "1.5.0")?.reason ?? "";
    await until("it is given up", async () => (await reason()).includes("it ended"));
    const told =
      /crash-looping, \d+ times in a row it ended .*exited with code 4\b.*\nprobe: the disk is full/s;
    expect(await reason()).toMatch(told);
    expect((await refusal("1.5.0")).message).toMatch(told);
    const status = await rouseOk(["status", "--data", mesh.data]);
    expect(status).toMatch(/1\.5\.0 +crash-looping/);
    expect(status).toContain("probe: the disk is full");
    const explained = await rouseOk(["explain", service, "1.5.0", "--data", mesh.data]);
    expect(explained).toMatch(
      /\nIt is crash-looping, .*\nprobe: the disk is full.*\nIt is tried again .* after \d+ s, or by "rouse start .*"rouse logs .*But for what is said above, one more would go to /s,
    );
  });

  test("an instance that ended nine times in a row: it is not started again before a person says so", async () => {
    const client = createProbeServiceClient({ target: mesh.edge, version: "1.5.0", retries: 0 });
    const consul = new ConsulClient({ address: mesh.consul });
    onTestFinished(() => {
      client.close();
      consul.close();
    });
    const activation = () => readActivation(consul, service, "1.5.0");
    /** Lets the time pass until the back-off is over, which would take minutes. */
    const backOff = () =>
      updateActivation(consul, service, "1.5.0", (now) =>
        now.failure === undefined ? now : { ...now, failure: { ...now.failure, retryAtMs: 0 } },
      );
    let crashes = 3;
    for (; crashes < 9; crashes++) {
      const before = crashes;
      await backOff();
      await until(`crash ${crashes + 1}`, async () => {
        await client.echo({ text: "x" }, { deadlineMs: 30_000 }).catch(() => undefined);
        return ((await activation()).failure?.crashes ?? 0) > before;
      });
    }
    const final =
      /crash-looping, 9 times in a row .*; it is not started again before "rouse start probe\.v1\.ProbeService 1\.5\.0".*exited with code 4\b.*\nprobe: the disk is full/s;
    const { generation } = await activation();
    await backOff();
    expect((await refusal("1.5.0")).message).toMatch(final);
    expect((await activation()).generation).toBe(generation);
    expect(await runningInstances(mesh, service)).toEqual([]);
    expect(await rouseOk(["status", "--data", mesh.data])).toMatch(final);
    // A start clears all that; how it ends is counted anew.
    await rouseOk(["start", service, "1.5.0", "--data", mesh.data]);
    const { generation: next, failure } = await activation();
    expect(next).toBeGreaterThan(generation);
    expect(failure?.final).toBeUndefined();
  });

  test("a start that fails while Consul is away is told when Consul is back, and its control plane lives on", async () => {
    await register({ version: "1.6.0" }, "--env", "PROBE_FAIL=exit");
    const plane = mesh.childPid("control-plane");
    let killed = 0;
    /** Each time that it is started again. */
    const killConsul = () => {
      const entry = readChildren(join(mesh.data, "children.json")).find(({ name }) => name === "consul");
      if (entry === undefined || entry.pid === killed) return;
      killed = entry.pid;
      process.kill(killed, "SIGKILL");
    };
    const log = () => readFileSync(join(mesh.data, "logs", "control-plane.log"), "utf8");
    const call = refusal("1.6.0", mesh.edge, 110_000);
    await until("it cannot be written down that the start failed", async () => {
      killConsul();
      return log().includes("it is not written that a start failed");
    });
    expect((await call).message).toContain("probe: the data folder is missing");
    expect(mesh.childPid("control-plane")).toBe(plane);
  });

  test("a version that an administrator stopped, until it is started again", async () => {
    await register({ version: "1.4.0" });
    using client = createProbeServiceClient({ target: mesh.edge, version: "1.4.0", retries: 0 });
    await client.echo({ text: "warm" });
    await rouseOk(["stop", service, "1.4.0", "--reason", "wrong reference data", "--data", mesh.data]);
    expect(await rouseOk(["explain", service, "1.4.0", "--data", mesh.data])).toMatch(
      /\nIt was stopped \d+ s ago: wrong reference data\. "rouse start \S+ 1\.4\.0" lets it run again\.\n/,
    );
    const { status, message } = await refusal("1.4.0");
    expect(status).toBe("UNAVAILABLE");
    expect(message).toContain("wrong reference data");
    await until("its instance ends", async () => (await runningInstances(mesh, service)).length === 0);
    await rouseOk(["start", service, "1.4.0", "--data", mesh.data]);
    expect((await client.echo({ text: "again" })).version).toBe("1.4.0");
  });

  test("an unknown version: with those there are", async () => {
    const { status, message } = await refusal("9.9.9");
    expect(status).toBe("NOT_FOUND");
    expect(message).toContain('has no version that fits "9.9.9". Versions: 1.0.0, ');
  });

  test("an internal service, on the edge", async () => {
    await register({ version: "3.0.0", exposure: "EXPOSURE_INTERNAL" });
    expect((await refusal("3.0.0")).status).toBe("NOT_FOUND");
    using inside = createProbeServiceClient({ target: mesh.mesh, version: "3.0.0" });
    expect((await inside.echo({ text: "x" })).version).toBe("3.0.0");
  });

  test("other content under a registered version", async () => {
    const probe = await makeProbe({ version: "1.4.0", cpu: 0.2 });
    probes.push(probe);
    const { code, stderr } = await rouse(["register", "--dir", probe.dir, "--data", mesh.data]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/1\.4\.0 .*resources\.cpu/s);
  });

  test("a start by a person fails with the reason", async () => {
    const { code, stderr } = await rouse(["start", service, "1.3.0", "--data", mesh.data]);
    expect(code).toBe(1);
    expect(stderr).toContain("500 needed");
  });
});
