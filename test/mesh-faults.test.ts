import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { AgentClient, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { HealthClient } from "#proto/rouse/orchestrator/v1/health.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { ScalingClient } from "#proto/rouse/orchestrator/v1/scaling.ts";
import { withClient } from "../cli/connect.ts";
import { readHosts } from "../cli/host-modes.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { mayStartDockerd } from "./support/dockerd.ts";
import { startHosts, type TestHost, type TestHosts, testHosts } from "./support/hosts.ts";
import { everStarted, instancesOf } from "./support/leaders.ts";
import { liveVersions, until } from "./support/live.ts";
import type { ChildName } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { root } from "./support/rouse.ts";
import { hadBegun, ticking, traffic } from "./support/traffic.ts";

const service = "probe.v1.ProbeService";
const { available } = testHosts();
const HOUR_MS = 3_600_000;
/** For what waits for several hosts on a busy machine. */
const SLOW_MS = 300_000;

/** Always called. */
const WARM = "1.0.0";
/** Never called before the end: what wakes it is wrong. */
const COLD = "2.0.0";
/** Called now and then. */
const RARE = "3.0.0";
/** Idle after a second. */
const RESTLESS = "4.0.0";
/** Never registered, for there is no room. */
const UNKNOWN = "9.0.0";
/** In containers. */
const CONTAINED = "5.0.0";
/** One of its two instances falls ill. */
const SICK = "6.0.0";
/** It ends as soon as it is started. */
const BROKEN = "7.0.0";

const listedSchema = z.array(
  z.object({ Service: z.looseObject({ ID: z.string(), Meta: z.record(z.string(), z.string()) }) }),
);

/** Writes into Consul past everybody. */
async function putInto({ consul, run }: TestHost, path: string, body: unknown) {
  const put = `fetch(process.argv[1], { method: "PUT", body: process.argv[2] }).then((r) => {
    if (!r.ok) throw new Error(String(r.status));
  })`;
  const node = join(root, "node_modules/.bin/node");
  await run(node, "-e", put, `http://${consul}/v1/${path}`, JSON.stringify(body));
}

/** All that Consul knows now, to be put back later: its indexes go backwards then. */
async function takeSnapshot({ consul, data, run }: TestHost) {
  const where = [`http://${consul}/v1/snapshot`, join(data, "snapshot")] as const;
  const node = join(root, "node_modules/.bin/node");
  const get =
    "fetch(process.argv[1]).then((r) => r.bytes()).then((b) => fs.writeFileSync(process.argv[2], b))";
  const put = `fetch(process.argv[1], { method: "PUT", body: fs.readFileSync(process.argv[2]) }).then((r) => {
    if (!r.ok) throw new Error(String(r.status));
  })`;
  await run(node, "-e", get, ...where);
  return { putBack: () => run(node, "-e", put, ...where) };
}

describe.runIf(available)("faults under load: two hosts, two instances, calls from both hosts", () => {
  let hosts: TestHosts;
  let clocks: string;
  /** By how much a host's clock is off, in ms. */
  const clockOf = (host: string) => join(clocks, host);
  const probes: Probe[] = [];
  const register = async (options: ProbeOptions, ...args: readonly string[]) => {
    const probe = await makeProbe(options);
    probes.push(probe);
    await probe.register(hosts.of("h1").data, ...args);
  };
  beforeAll(async () => {
    clocks = await mkdtemp(join(tmpdir(), "rouse-clocks-"));
    const NODE_OPTIONS = `--import=${join(root, "test/support/clock.mjs")}`;
    const env = (host: string) => ({ NODE_OPTIONS, ROUSE_TEST_CLOCK: clockOf(host) });
    hosts = await startHosts([
      { args: ["--control-planes", "2"], env: env("h1"), diskMiB: 512 },
      { env: env("h2"), diskMiB: 192 },
    ]);
    await register({ version: WARM, minInstances: 2 });
    await register({ version: COLD });
    await register({ version: RARE });
    await register({ version: RESTLESS, idleTimeout: "1s" });
  }, 300_000);
  afterAll(async () => {
    await hosts?.close();
    for (const probe of probes) await probe.remove();
    if (clocks !== undefined) await rm(clocks, { recursive: true, force: true });
  });

  const client = (host: string, version: string, retries?: number) =>
    createProbeServiceClient({
      target: hosts.of(host).edge,
      version,
      ...(retries !== undefined && { retries }),
    });

  const version = async (wanted: string) => {
    const found = (await liveVersions(hosts.of("h1"), service)).find(({ version }) => version === wanted);
    if (found === undefined) throw new Error(`${wanted} is not listed`);
    return found;
  };
  /** Instances of a version, with their hosts. */
  const running = async (wanted: string) =>
    (await readHosts(hosts.of("h1").registry)).flatMap(({ name: host, running }) =>
      running
        .filter((one) => one.service === service && one.version === wanted)
        .map((one) => ({ ...one, host, takes: one.healthy && !one.draining })),
    );
  /** Ids of those that take calls. */
  const ids = async (wanted: string) =>
    (await running(wanted))
      .filter(({ takes }) => takes)
      .map(({ id }) => id)
      .sort();
  /** Both hosts are well, and an instance serves on each. */
  async function settled() {
    let seen = "";
    const isSettled = async () => {
      const all = await readHosts(hosts.of("h1").registry);
      const instances = await running(WARM);
      seen = JSON.stringify({
        hosts: all.map(({ name, healthy, lostAtMs }) => ({ name, healthy, lostAtMs })),
        instances: instances.map(({ id, host, healthy, draining }) => ({ id, host, healthy, draining })),
      });
      return (
        all.every(({ healthy, lostAtMs }) => healthy && lostAtMs === 0) &&
        instances.length === 2 &&
        instances.every(({ takes }) => takes) &&
        new Set(instances.map(({ host }) => host)).size === 2
      );
    };
    try {
      await until("both hosts are well, and an instance serves on each", isSettled, 120_000);
    } catch (cause) {
      const why = await hosts.of("h1").rouse("explain", service, WARM);
      throw new Error(`${(cause as Error).message}; there is ${seen}:\n${why}`, { cause });
    }
  }
  beforeEach(settled, 150_000);

  /**
   * Calls the warm version from hosts without a pause while something happens, and for so many calls after it.
   *
   * @param from The hosts. One called with "each" shows each lost call, for its callers try nothing again, and has a stream open
   *   meanwhile, unless those end; the others do as users do.
   * @returns what was lost, by host.
   */
  async function under<Host extends string>(
    from: Readonly<Record<Host, "each" | "each, no stream" | "as users do">>,
    happens: () => Promise<void>,
    called = WARM,
  ): Promise<Record<Host, string[]>> {
    const calls = (Object.entries(from) as [Host, string][]).map(([host, how]) => {
      const probe = client(host, called, how === "as users do" ? undefined : 0);
      return { host, probe, traffics: [traffic(probe, 3), ...(how === "each" ? [ticking(probe)] : [])] };
    });
    const all = calls.flatMap(({ traffics }) => traffics);
    const more = (count: number) => Promise.all(all.map((traffic) => traffic.more(count)));
    try {
      await more(30);
      await happens();
      await more(60);
    } finally {
      for (const traffic of all) await traffic.stop();
      for (const { probe } of calls) probe.close();
    }
    const lost = await Promise.all(
      calls.map(async ({ host, traffics }) => {
        const stopped = await Promise.all(traffics.map((traffic) => traffic.stop()));
        return [host, stopped.flatMap(({ failures }) => failures)] as const;
      }),
    );
    return Object.fromEntries(lost) as Record<Host, string[]>;
  }

  const untilIdle = () => until("it is idle", async () => (await running(RESTLESS)).length === 0);
  const nothing = { h1: [], h2: [] };
  const each = { h1: "each", h2: "each" } as const;
  const coldIsCold = async () => expect(await version(COLD)).toMatchObject({ generation: 1, instances: [] });

  /** Ids of the control planes that answer, the leader first. */
  async function controlPlanes() {
    const status = await withClient(OrchestratorClient, hosts.of("h1").control, (api) =>
      unary(api, "getStatus", {}, { deadlineMs: 1_000 }),
    ).catch(() => undefined);
    return (status?.controlPlanes ?? [])
      .filter(({ healthy }) => healthy)
      .sort((a, b) => Number(b.leading) - Number(a.leading));
  }
  const bothControlPlanes = () =>
    until("both control planes are there, and one leads", async () => {
      const planes = await controlPlanes();
      return planes.length === 2 && planes[0]?.leading === true;
    });
  const childOf = (id = ""): ChildName => (id.endsWith("-2") ? "control-plane-2" : "control-plane");

  /** The oldest load that a control plane has recorded. */
  async function firstRecorded(address = "") {
    const api = new ScalingClient(address, credentials.createInsecure());
    try {
      return (await unary(api, "listRecorded", { sinceMs: 0, limit: 1 }, { deadlineMs: 10_000 })).loads[0];
    } finally {
      api.close();
    }
  }

  /** Sets the clock of a host, as somebody might: all that runs there sees it. */
  async function setClock(host: string, aheadMs: number) {
    writeFileSync(clockOf(host), String(aheadMs));
    const control: ChildName[] = ["registry", "control-plane", "control-plane-2"];
    for (const name of [...(host === "h1" ? control : []), "agent" as const])
      await until(`the clock of ${name} is set`, async () => {
        const seen = `${clockOf(host)}.${hosts.of(host).childPid(name)}`;
        return (await readFile(seen, "utf8").catch(() => "")) === String(aheadMs);
      });
  }

  test("agents that are killed: nothing is lost, nothing changes", async () => {
    const before = await ids(WARM);
    const lost = await under(each, async () => {
      await Promise.all(hosts.all.map((host) => host.restart("agent")));
    });
    expect(lost).toEqual(nothing);
    await settled();
    expect(await ids(WARM)).toEqual(before);
    await coldIsCold();
  });

  test("control planes that are killed, the leader first: nothing is lost, nothing changes", async () => {
    const before = await ids(WARM);
    await bothControlPlanes();
    const [leader, follower] = await controlPlanes();
    const recorded = await firstRecorded(leader?.address);
    expect(recorded?.service).toBe(service);
    await until("the follower has recorded what the leader has", async () =>
      isDeepStrictEqual(await firstRecorded(follower?.address), recorded),
    );
    const lost = await under(each, async () => {
      for (const { id } of await controlPlanes()) {
        await hosts.of("h1").restart(childOf(id));
        await bothControlPlanes();
      }
    });
    expect(lost).toEqual(nothing);
    await settled();
    expect(await ids(WARM)).toEqual(before);
    await coldIsCold();
  });

  /** Kills an instance of a host, and the leader when another serves in its place. @returns for how long Consul heard nothing there, ms. */
  async function loseLeaderBeforeShown(host: TestHost): Promise<number> {
    const token = async () =>
      (await withClient(AgentClient, host.agent, (api) => unary(api, "getStatus", {}))).fencingToken;
    const known = await everStarted(hosts.all, WARM);
    const other = async () => (await instancesOf(host, WARM)).find(({ id }) => !known.has(id));
    await bothControlPlanes();
    const [leader] = await controlPlanes();
    const obeyed = await token();
    const victim = (await running(WARM)).find((one) => one.host === host.name)?.id ?? "";
    await host.killInstance(victim);
    await until("another is started", async () => (await other()) !== undefined);
    const beganMs = performance.now();
    host.kill("consul", "SIGSTOP");
    try {
      await until("it serves", async () => (await other())?.state === InstanceState.SERVING);
      hosts.of("h1").kill(childOf(leader?.id));
      await until("its agent obeys the next leader", async () => (await token()) > obeyed);
    } finally {
      host.kill("consul", "SIGCONT");
    }
    return performance.now() - beganMs;
  }

  test(
    "a leader that is killed before Consul shows what it has started: one takes the place of one, and no more",
    async () => {
      for (let tries = 0; tries < 3; tries++) {
        const before = await everStarted(hosts.all, WARM);
        let silentMs = 0;
        const lost = await under({ h1: "as users do" }, async () => {
          silentMs = await loseLeaderBeforeShown(hosts.of("h2"));
          await bothControlPlanes();
          await settled();
        });
        expect(lost).toEqual({ h1: [] });
        await coldIsCold();
        // A host that is silent for longer is taken for dead.
        if (silentMs > 2_000) continue;
        expect((await everStarted(hosts.all, WARM)).size).toBe(before.size + 1);
        return;
      }
    },
    SLOW_MS,
  );

  test("Consul's server and its client that are killed: nothing is lost, nothing changes", async () => {
    const before = await ids(WARM);
    const lost = await under(each, async () => {
      for (const host of hosts.all) await host.restart("consul");
    });
    expect(lost).toEqual(nothing);
    await settled();
    expect(await ids(WARM)).toEqual(before);
    await coldIsCold();
  });

  test("an instance that is killed: what it had under way is answered by the other, unless it may not be called twice", async () => {
    const [victim = ""] = await ids(WARM);
    const once = (["h1", "h2"] as const).map((host) => {
      const probe = client(host, WARM, 0);
      const waits = traffic(probe, 3, (probe) => probe.wait({ ms: 50 }, { deadlineMs: 30_000 }));
      return { probe, waits };
    });
    try {
      const lost = await under({ h1: "each, no stream", h2: "as users do" }, async () => {
        for (const { waits } of once)
          await until(
            "both are called",
            async () => waits.instances.has(victim) && waits.instances.size === 2,
          );
        const on = (await running(WARM)).find(({ id }) => id === victim)?.host ?? "";
        await hosts.of(on).killInstance(victim);
        await until("it is gone", async () => !(await ids(WARM)).includes(victim));
        await settled();
        for (const { waits } of once) await waits.more(30);
      });
      expect(lost.h2).toEqual([]);
      expect(lost.h1.filter((failure) => !hadBegun(failure))).toEqual([]);
      // Each caller has one call under way.
      expect(lost.h1.length).toBeLessThanOrEqual(3);
      for (const { waits } of once) expect((await waits.stop()).failures.length).toBeLessThanOrEqual(3);
    } finally {
      for (const { waits, probe } of once) {
        await waits.stop();
        probe.close();
      }
    }
    await coldIsCold();
  });

  test("an Envoy that is killed: its callers wait for the next one, and others notice nothing", async () => {
    const before = await ids(WARM);
    const lost = await under({ h1: "each", h2: "as users do" }, () => hosts.of("h2").restart("envoy"));
    expect(lost).toEqual(nothing);
    await settled();
    expect(await ids(WARM)).toEqual(before);
    await coldIsCold();
  });

  test(
    "a host that is cut off and comes back: callers elsewhere lose nothing",
    async () => {
      const cut = hosts.of("h2");
      const lost = await under({ h1: "each, no stream" }, async () => {
        await cut.cutOff();
        await until("what it had is replaced", async () => {
          const here = (await running(WARM)).filter(({ host, takes }) => host === "h1" && takes);
          return here.length === 2;
        });
        await cut.reconnect();
        await until("it is taken back", async () => {
          const all = await readHosts(hosts.of("h1").registry);
          return all.some(({ name, healthy, lostAtMs }) => name === "h2" && healthy && lostAtMs === 0);
        });
      });
      expect(lost.h1.filter((failure) => !hadBegun(failure))).toEqual([]);
      await coldIsCold();
      // Both run on the first host now; the next one goes where there is none.
      await hosts.of("h1").killInstance((await ids(WARM))[0] ?? "");
    },
    SLOW_MS,
  );

  test(
    "a host that is slow and stands still again and again: nothing is lost, nothing changes, nobody is blamed",
    async () => {
      const before = await ids(WARM);
      await bothControlPlanes();
      const [leader] = await controlPlanes();
      const blamed = new Set<string>();
      // A suspect has done nothing yet.
      const isBlame = (condition: string) => !["", "healthy", "suspect"].includes(condition);
      const look = async () => {
        for (const { name, lostAtMs, condition } of await readHosts(hosts.of("h1").registry))
          if (lostAtMs > 0 || isBlame(condition)) blamed.add(`${name} ${condition}, lost at ${lostAtMs}`);
        const { instances } = await withClient(HealthClient, hosts.of("h1").control, (api) =>
          unary(api, "listHealth", {}, { deadlineMs: 10_000 }),
        );
        for (const { instanceId, condition: { name } = { name: "" } } of instances)
          if (before.includes(instanceId) && isBlame(name)) blamed.add(`${instanceId} ${name}`);
      };
      const lost = await under(each, async () => {
        // For 15 s it gets a third of the time.
        const slow = hosts.of("h2").slowDown({ stillMs: 200, goesMs: 100, times: 50 });
        let isSlow = true;
        const over = slow.finally(() => {
          isSlow = false;
        });
        while (isSlow) {
          await look();
          await sleep(200);
        }
        await over;
        for (let times = 0; times < 5; times++) {
          await hosts.of("h2").slowDown({ stillMs: 500, goesMs: 500, times: 1 });
          await look();
        }
      });
      expect(lost).toEqual(nothing);
      expect([...blamed]).toEqual([]);
      await settled();
      expect(await ids(WARM)).toEqual(before);
      expect((await controlPlanes())[0]?.id).toBe(leader?.id);
      await coldIsCold();
    },
    SLOW_MS,
  );

  test(
    "clocks that jump by an hour, and back by two: nothing is lost, ends, or wakes, and what is due comes",
    async () => {
      using rare = client("h1", RARE);
      const { instance } = await rare.echo({ text: "x" }, { deadlineMs: 60_000 });
      const before = await ids(WARM);
      const lost = await under(each, async () => {
        using restless = client("h1", RESTLESS, 0);
        for (const aheadMs of [HOUR_MS, -HOUR_MS]) {
          await Promise.all(["h1", "h2"].map((host) => setClock(host, aheadMs)));
          // A start, and an end that a timer brings about.
          await restless.echo({ text: "x" }, { deadlineMs: 60_000 });
          await untilIdle();
          expect(await ids(RARE)).toEqual([instance]);
        }
      });
      expect(lost).toEqual(nothing);
      expect(await version(RARE)).toMatchObject({ generation: 1 });
      await settled();
      expect(await ids(WARM)).toEqual(before);
      await coldIsCold();
    },
    SLOW_MS,
  );

  test(
    "a leader whose clock is an hour behind its predecessor's: a quarantine and a back-off end in time all the same",
    async () => {
      const h1 = hosts.of("h1");
      await register({ version: SICK, minInstances: 2 });
      await register({ version: BROKEN }, "--env", "PROBE_FAIL=exit");
      await until("two instances serve", async () => (await ids(SICK)).length === 2);
      await bothControlPlanes();
      const [leader, follower] = await controlPlanes();
      using sick = client("h1", SICK, 0);
      using broken = client("h1", BROKEN, 0);
      const { instance: ill } = await sick.echo({ text: "fall ill" }, { deadlineMs: 60_000 });
      const condition = async () => {
        const health = await withClient(HealthClient, h1.control, (api) => unary(api, "listHealth", {}));
        return health.instances.find(({ instanceId }) => instanceId === ill)?.condition?.name;
      };
      try {
        // The one that leads goes on by the clock that it began with.
        await setClock("h1", -HOUR_MS);
        await h1.restart(childOf(follower?.id));
        await bothControlPlanes();
        const isQuarantined = async () => (await condition().catch(() => undefined)) === "quarantined";
        const given = async () => {
          const { reason, generation } = await version(BROKEN);
          return reason === "" ? 0 : generation;
        };
        const calls = [traffic(sick, 1), traffic(broken, 1)];
        // The third back-off lasts 8 s: the next leader finds it.
        await until(
          "both are given up for now",
          async () => (await given()) >= 3 && (await isQuarantined()),
          120_000,
        ).finally(() => Promise.all(calls.map((each) => each.stop())));
        const before = await given();
        await h1.restart(childOf(leader?.id));
        await bothControlPlanes();
        const isTriedAgain = async () => {
          const now = await condition().catch(() => "unknown");
          return now === "probation" || now === "healthy" || now === undefined;
        };
        await until("the instance is tried again", isTriedAgain, 120_000);
        const isOver = async () => (await version(BROKEN)).generation > before;
        await until("the back-off is over", isOver, 120_000);
      } finally {
        await setClock("h1", 0);
      }
      await settled();
      await coldIsCold();
    },
    SLOW_MS,
  );

  test(
    "Consul is put back to what it was two leaders and an instance ago: users lose nothing, nothing wakes, and agents obey the leader",
    async () => {
      const h1 = hosts.of("h1");
      await bothControlPlanes();
      const snapshot = await takeSnapshot(h1);
      const former = (await running(WARM)).find(({ host }) => host === "h2")?.id ?? "";
      await hosts.of("h2").killInstance(former);
      await until("it is gone", async () => !(await ids(WARM)).includes(former));
      await settled();
      const before = await ids(WARM);
      const lost = await under({ h1: "as users do", h2: "as users do" }, async () => {
        for (let times = 0; times < 2; times++) {
          await h1.restart(childOf((await controlPlanes())[0]?.id));
          await bothControlPlanes();
        }
        await snapshot.putBack();
        await bothControlPlanes();
        await until(
          "what runs is known again",
          async () => (await ids(WARM)).join() === before.join(),
          150_000,
        );
        using restless = client("h1", RESTLESS, 0);
        await restless.echo({ text: "x" }, { deadlineMs: 60_000 });
      });
      expect(lost).toEqual(nothing);
      await settled();
      expect(await ids(WARM)).toEqual(before);
      await coldIsCold();
    },
    SLOW_MS,
  );

  test("an instance that is listed but runs nowhere, as where Consul was put back: none that runs goes for it", async () => {
    const h1 = hosts.of("h1");
    const before = await ids(WARM);
    const entries = listedSchema.parse(
      JSON.parse(await h1.fetch(`http://${h1.consul}/v1/health/service/${service}`)),
    );
    const { Service } = entries.find(({ Service: { ID } }) => ID === before[0]) ?? {};
    const address = "127.0.0.1:9";
    // The oldest of those alike is the last to go.
    const Meta = { ...Service?.Meta, host: "h9", address, started: "1" };
    const ghost = { ...Service, ID: "a-ghost", Address: "127.0.0.1", Port: 9, Meta };
    const node = { Node: "h9", Address: "127.0.0.1" };
    await putInto(h1, "catalog/register", { ...node, Service: ghost });
    try {
      await until("it is listed", async () => (await version(WARM)).instances.length === 3);
      // The leader has looked at it by the time that another version is served.
      await untilIdle();
      using restless = client("h1", RESTLESS, 0);
      await restless.echo({ text: "x" }, { deadlineMs: 60_000 });
      expect(await ids(WARM)).toEqual(before);
    } finally {
      await putInto(h1, "catalog/deregister", node);
    }
    await settled();
    expect(await ids(WARM)).toEqual(before);
  });

  test.for(["h2", "h1"])(
    "the disk of %s is full: calls go on, nobody crashes, what needs the disk is told so, and all goes well when there is room",
    { timeout: SLOW_MS },
    async (name) => {
      const full = hosts.of(name);
      const before = await ids(WARM);
      const servers: ChildName[] =
        name === "h1" ? ["registry", "orders", "control-plane", "control-plane-2"] : [];
      const pids = () =>
        [...servers, "agent" as const, "envoy" as const].map((child) => full.childPid(child));
      const there = pids();
      // What starts is to start there.
      const other = name === "h1" ? "h2" : "h1";
      await hosts.of("h1").rouse("cordon", other, "--reason", "to be left alone");
      using restless = client(name, RESTLESS, 0);
      const echo = () => restless.echo({ text: "x" }, { deadlineMs: 30_000 });
      await untilIdle();
      const lost = await under(each, async () => {
        const filler = await full.fillDisk();
        try {
          if (name === "h1") {
            await expect(register({ version: UNKNOWN })).rejects.toThrow(
              "There is no room for the bundle in ",
            );
          } else {
            await expect(echo()).rejects.toThrow(/ does not start: A disk is full: .* Make room on it/);
          }
        } finally {
          rmSync(filler, { force: true });
        }
        await until("a cold version starts", () =>
          echo().then(
            () => true,
            () => false,
          ),
        );
      });
      expect(lost).toEqual(nothing);
      expect(pids()).toEqual(there);
      await hosts.of("h1").rouse("uncordon", other);
      await settled();
      expect(await ids(WARM)).toEqual(before);
      await coldIsCold();
    },
  );

  test.runIf(mayStartDockerd)(
    "an engine that is killed while its containers go on: nothing is lost, ends or wakes, and what ends meanwhile is replaced",
    async () => {
      const { dockerd, name: docked } = await hosts.add({ dockerd: "live-restore" });
      const cordon = async (verb: "cordon" | "uncordon") => {
        for (const name of ["h1", "h2"])
          await hosts
            .of("h1")
            .rouse(verb, name, ...(verb === "cordon" ? ["--reason", "containers only"] : []));
      };
      await cordon("cordon");
      await register({ version: CONTAINED, minInstances: 2 });
      await until("two containers serve", async () => (await ids(CONTAINED)).length === 2, 120_000);
      const before = await ids(CONTAINED);
      const from = { h1: "each", [docked]: "each" } as const;
      const lost = await under(
        from,
        async () => {
          await dockerd?.kill();
          // Longer than is waited for one whose containers are not to be seen.
          await sleep(6_000);
          expect(await ids(CONTAINED)).toEqual(before);
          await dockerd?.start();
        },
        CONTAINED,
      );
      expect(lost).toEqual({ h1: [], [docked]: [] });
      expect(await ids(CONTAINED)).toEqual(before);
      // The agent follows the engine again.
      const [victim = "", other = ""] = before;
      await hosts.of(docked).killInstance(victim);
      await until(
        "another takes its place",
        async () => {
          const now = await ids(CONTAINED);
          return now.length === 2 && now.includes(other) && !now.includes(victim);
        },
        120_000,
      );
      await cordon("uncordon");
      await coldIsCold();
    },
    SLOW_MS,
  );
});
