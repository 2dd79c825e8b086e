import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { HealthClient } from "#proto/rouse/orchestrator/v1/health.ts";
import {
  OrchestratorClient,
  type WatchDecisionsResponse,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../cli/connect.ts";
import { readHosts } from "../cli/host-modes.ts";
import type { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";

const { available } = testHosts();

describe.runIf(available)("of hosts", () => {
  let hosts: TestHosts;
  const probes: Probe[] = [];

  beforeAll(async () => {
    // So that four of them are over in a moment.
    hosts = await startHosts([{ args: ["--quarantine", "1s", "--probation", "5s"] }, {}]);
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

  /** Ids of a version's instances, by host. */
  const runningOn = async (version: string) => {
    const all = await readHosts(hosts.of("h1").registry);
    return all.map(({ running }) => running.filter((one) => one.version === version).map(({ id }) => id));
  };

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

  const oneOnEach = (ids: readonly string[][]) =>
    ids.length === 2 && ids.every((there) => there.length === 1);

  test("one of three that both Envoys leave out is quarantined; ill again each time it is back, it is retired and replaced", async () => {
    const version = "2.1.0";
    await register({ version, minInstances: 3 });
    await until("three run", async () => (await runningOn(version)).flat().length === 3);
    using one = createProbeServiceClient({ target: hosts.of("h1").edge, version, retries: 0 });
    using other = createProbeServiceClient({ target: hosts.of("h2").edge, version, retries: 0 });
    const { instance: sick } = await one.echo({ text: "x" }, { deadlineMs: 60_000 });
    const decisions = () =>
      withClient(OrchestratorClient, hosts.of("h1").control, async (orchestrator) => {
        const stream = orchestrator.watchDecisions({});
        stream.on("error", () => undefined);
        const [told] = (await once(stream, "data")) as [WatchDecisionsResponse];
        stream.cancel();
        return told.decisions.filter(({ instance }) => instance === sick);
      });
    // The share of its errors says nothing yet.
    const wells = Array.from({ length: 100 }, async () => {
      for (const client of [one, other]) await client.echo({ text: "x" }, { deadlineMs: 60_000 });
    });
    await Promise.all(wells);
    const answered = new Set<string>();
    const refuse = async (client: typeof one, isDone: (refused: number) => boolean) => {
      for (let refused = 0; !isDone(refused); )
        await client.echo({ text: `refuse ${sick}` }, { deadlineMs: 60_000 }).then(
          ({ instance }) => answered.add(instance),
          () => refused++,
        );
    };
    await Promise.all([one, other].map((client) => refuse(client, (refused) => refused >= 5)));
    await expect.poll(decisions, { timeout: 60_000 }).toContainEqual(
      expect.objectContaining({
        kind: "quarantined",
        reason: expect.stringMatching(/the Envoys of hosts h1, h2 left it out after 5 errors in a row$/),
      }),
    );
    let isOver = false;
    const calls = [one, other].map((client) => refuse(client, () => isOver));
    try {
      await expect
        .poll(decisions, { timeout: 120_000 })
        .toContainEqual(expect.objectContaining({ kind: "retired" }));
      await until("it is gone, and three others run", async () => {
        const running = (await runningOn(version)).flat();
        return running.length === 3 && !running.includes(sick);
      });
      answered.clear();
      await until("all three answer", async () => answered.size === 3);
    } finally {
      isOver = true;
      await Promise.all(calls);
    }
    const kinds = (await decisions()).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "quarantined")).toHaveLength(3);
    expect(kinds.filter((kind) => kind === "retired")).toHaveLength(1);
  }, 240_000);

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

  /** The hosts on which an instance of the version is being started. */
  const startingOn = async (version: string) => {
    const found: string[] = [];
    for (const { name, agent } of hosts.all) {
      const { instances } = await withClient(AgentClient, agent, (client) =>
        unary(client, "listInstances", {}),
      );
      if (instances.some((one) => one.version === version && one.state === "INSTANCE_STATE_STARTING"))
        found.push(name);
    }
    return found;
  };
  const call = async (version: string) => {
    using client = createProbeServiceClient({ target: hosts.of("h1").edge, version, retries: 0 });
    return await client.echo({ text: "x" }, { deadlineMs: 240_000 });
  };

  test("a call whose start dies in the same way on two hosts is answered by a third", async () => {
    await hosts.add();
    const folder = await mkdtemp(join(tmpdir(), "probe-fails-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await hosts.of("h1").rouse("cordon", "h1");
    await register(
      { version: "4.0.0" },
      "--env",
      "PROBE_FAIL_ON=h2,h3",
      "--env",
      `PROBE_FAIL_AFTER=${folder}`,
    );
    const answer = call("4.0.0");
    const tried: string[] = [];
    const dieOnNext = async (before: () => Promise<unknown>) => {
      await until("it is started on another host", async () => {
        const [next] = (await startingOn("4.0.0")).filter((name) => !tried.includes(name));
        if (next !== undefined) tried.push(next);
        return next !== undefined;
      });
      await before();
      await writeFile(join(folder, tried.at(-1) ?? ""), "");
    };
    await dieOnNext(async () => undefined);
    await dieOnNext(() => hosts.of("h1").rouse("uncordon", "h1"));
    expect((await answer).version).toBe("4.0.0");
    expect(tried.sort()).toEqual(["h2", "h3"]);
    await until("it runs on h1 only", async () => {
      const counts = (await runningOn("4.0.0")).map((ids) => ids.length);
      return counts.join() === "1,0,0";
    });
  }, 300_000);

  test("a call whose start dies with its host is answered by another one", async () => {
    for (const name of ["h1", "h3"]) await hosts.of("h1").rouse("cordon", name);
    await register({ version: "5.0.0" }, "--env", "PROBE_FAIL_ON=h2", "--env", "PROBE_FAIL_AFTER=/nowhere");
    const answer = call("5.0.0");
    await until("it is started on h2", async () => (await startingOn("5.0.0")).includes("h2"));
    for (const name of ["h1", "h3"]) await hosts.of("h1").rouse("uncordon", name);
    await hosts.of("h2").die();
    expect((await answer).version).toBe("5.0.0");
  }, 300_000);
});
