import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HealthClient } from "#proto/rouse/orchestrator/v1/health.ts";
import { withClient } from "../cli/connect.ts";
import { readHosts } from "../cli/host-modes.ts";
import type { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";

const { available } = testHosts();

describe.runIf(available)("of two hosts", () => {
  let hosts: TestHosts;
  const probes: Probe[] = [];

  beforeAll(async () => {
    hosts = await startHosts(2);
  }, 240_000);
  afterAll(async () => {
    await hosts?.close();
    for (const probe of probes) await probe.remove();
  });

  async function register(options: ProbeOptions, ...args: string[]) {
    const probe = await makeProbe(options);
    probes.push(probe);
    await probe.register(hosts.of("h1").data, ...args);
  }
  const health = () =>
    withClient(HealthClient, hosts.of("h1").control, (client) => unary(client, "listHealth", {}));

  test("the one on which every version fails is blamed, and used no more; callers notice nothing", async () => {
    const versions = ["1.0.0", "1.1.0", "1.2.0"];
    for (const version of versions) await register({ version, minInstances: 2 }, "--env", "PROBE_FAIL_ON=h2");
    await until(
      "h2 is quarantined",
      async () => {
        const { hosts: blamed } = await health();
        return blamed.some(({ host, condition }) => host === "h2" && condition?.name === "quarantined");
      },
      120_000,
    );
    const { hosts: blamed, faults } = await health();
    expect(blamed.map(({ host }) => host)).toEqual(["h2"]);
    expect(blamed[0]?.condition?.reason).toMatch(
      /\d of the \d versions .* failed on it.*exited with code 3/s,
    );
    expect(faults).toEqual([]);
    for (const version of versions) {
      using client = createProbeServiceClient({ target: hosts.of("h1").edge, version, retries: 0 });
      expect((await client.echo({ text: "x" }, { deadlineMs: 60_000 })).version).toBe(version);
    }
    expect(await hosts.of("h1").rouse("quarantine")).toMatch(/host +h2 +quarantined/);
    await hosts.of("h1").rouse("quarantine", "release", "h2", "--host");
    expect((await health()).hosts).toEqual([]);
  }, 180_000);

  test("both are tried when a start fails, and both are told of; the version is blamed", async () => {
    await register({ version: "2.0.0" }, "--env", "PROBE_FAIL=exit");
    using client = createProbeServiceClient({ target: hosts.of("h1").edge, version: "2.0.0", retries: 0 });
    const error = await client.echo({ text: "x" }, { deadlineMs: 60_000 }).then(
      () => undefined,
      (thrown: RouseError) => thrown,
    );
    expect(error?.message).toMatch(
      /\(host (h1|h2)\); it was tried 2 times, before that: on (?!\1)h[12], it exited with code 3/,
    );
    await until("the version is blamed", async () =>
      (await health()).faults.some(({ version }) => version === "2.0.0"),
    );
  }, 120_000);

  /** Ids of a version's instances, by host. */
  const runningOn = async (version: string) => {
    const all = await readHosts(hosts.of("h1").registry);
    return all.map(({ running }) => running.filter((one) => one.version === version).map(({ id }) => id));
  };
  const oneOnEach = (ids: readonly string[][]) =>
    ids.length === 2 && ids.every((there) => there.length === 1);

  test("a core service gets an instance on each, without a call", async () => {
    const core = (contract: string) => contract.replace("standby:", "placement: {core: true} standby:");
    await register({ version: "3.0.0", minInstances: 2, edit: core });
    await until("one runs on each", async () => oneOnEach(await runningOn("3.0.0")));
    expect(await hosts.of("h1").rouse("explain", "probe.v1.ProbeService", "3.0.0")).toMatch(
      /^placement by its contract: with the mesh, one for each host$/m,
    );
  });

  test("a core service boots with the mesh, again on each, without a call", async () => {
    const before = new Set((await runningOn("3.0.0")).flat());
    await Promise.all(hosts.all.map((host) => host.stop()));
    await Promise.all(hosts.all.map((host) => host.start()));
    await until(
      "a new one runs on each",
      async () => {
        const now = await runningOn("3.0.0").catch(() => []);
        return oneOnEach(now) && now.flat().every((id) => !before.has(id));
      },
      120_000,
    );
  }, 300_000);
});
