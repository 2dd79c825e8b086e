import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Host } from "#proto/rouse/catalog/v1/catalog.ts";
import { readHosts } from "../cli/host-modes.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHost, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { hadBegun } from "./support/traffic.ts";

const { available } = testHosts();

/** Calls without a pause until stopped; keeps who answered, and what failed. */
function traffic(target: string) {
  // Without retries, so that every lost call is seen.
  const client = createProbeServiceClient({ target, retries: 0 });
  const failures: string[] = [];
  let answered: string[] = [];
  let running = true;
  const calling = (async () => {
    while (running) {
      await client
        .echo({ text: "x" }, { deadlineMs: 20_000 })
        .then(({ instance }) => answered.push(instance))
        .catch((error) => failures.push(String(error)));
      await sleep(10);
    }
  })();
  return {
    failures,
    /** Resolves when calls are answered, and only by these instances, from now on. */
    async answeredBy(instances: readonly string[]) {
      await until(`calls are answered by ${instances.join(", ")} only`, async () => {
        answered = [];
        await sleep(200);
        return answered.length >= 5 && answered.every((id) => instances.includes(id));
      });
    },
    async stop() {
      running = false;
      await calling;
      client.close();
    },
  };
}

/** Ids of instances whose process runs on a host, whatever anybody knows of them. */
function processesOn({ data }: TestHost): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const mine = env.includes(`ROUSE_NOTIFY=${data}/run/notify.sock`);
      return mine ? env.filter((one) => one.startsWith("ROUSE_INSTANCE=")).map((one) => one.slice(15)) : [];
    } catch {
      // No process, or one that has ended.
      return [];
    }
  });
}

describe.runIf(available)("a mesh of several hosts", () => {
  let hosts: TestHosts;
  let probe: Probe;
  beforeAll(async () => {
    [hosts, probe] = await Promise.all([
      startHosts([
        {},
        { args: ["--zone", "left", "--cost", "0.5"] },
        { args: "--zone right --cpu 3 --memory 2048 --gpu 1 --speed 1.5 --label disk=ssd".split(" ") },
      ]),
      makeProbe({ minInstances: 2 }),
    ]);
    await hosts.of("h1").rouse("cordon", "h1", "--reason", "it has the servers");
    await probe.register(hosts.of("h1").data);
  }, 240_000);
  afterAll(async () => {
    await hosts?.close();
    await probe?.remove();
  });

  /** The hosts, with the probe's instances; the mesh may have some of its own. */
  const all = async () =>
    (await readHosts(hosts.of("h1").registry)).map((one) => ({
      ...one,
      running: one.running.filter(({ service }) => service === "probe.v1.ProbeService"),
    }));
  const host = async (name: string): Promise<Host> => {
    const found = (await all()).find((one) => one.name === name);
    if (found === undefined) throw new Error(`${name} is not known`);
    return found;
  };
  const idsOn = async (...names: string[]) =>
    (await all())
      .filter(({ name }) => names.includes(name))
      .flatMap(({ running }) => running.map(({ id }) => id));
  const settled = () =>
    until("two instances serve on h2 and h3, and nothing else runs", async () => {
      const now = (await all()).flatMap(({ running }) => running);
      return now.length === 2 && now.every(({ healthy, draining }) => healthy && !draining);
    });
  beforeEach(settled, 90_000);

  test("every host's edge reaches the instances, wherever they run", async () => {
    const ids = await idsOn("h2", "h3");
    for (const { edge } of hosts.all) {
      using client = createProbeServiceClient({ target: edge });
      expect(ids).toContain((await client.echo({ text: "x" })).instance);
    }
  });

  test("instances are kept apart, and rouse explain says what speaks for and against hosts", async () => {
    expect(await idsOn("h2")).toHaveLength(1);
    expect(await idsOn("h3")).toHaveLength(1);
    using near = createProbeServiceClient({ target: hosts.of("h2").edge });
    let said = "";
    await until("it is known that calls come from the left", async () => {
      await near.echo({ text: "x" });
      said = await hosts.of("h1").rouse("explain", "probe.v1.ProbeService");
      return /^h2 .* of its calls come from this zone/m.test(said);
    });
    expect(said).toMatch(/^One more would go to h[23]\.$/m);
    expect(said).toMatch(/^h1 +is cordoned$/m);
    for (const id of await idsOn("h2", "h3"))
      expect(said).toMatch(new RegExp(`^${id} +h[23] +best of `, "m"));
  });

  test("what hosts are is listed, and a host is drained step by step while calls go on", async () => {
    const h1 = hosts.of("h1");
    const lines = (await h1.rouse("hosts")).split("\n");
    expect(lines.find((line) => line.startsWith("h1"))).toMatch(/^h1 +cordoned +- /);
    expect(lines.find((line) => line.startsWith("h2"))).toMatch(/^h2 +active +left .* 0\.5 /);
    expect(lines.find((line) => line.startsWith("h3"))).toMatch(
      /^h3 +active +right +[\d.]+ of 3 +\d+ of 2,048 MiB +1 +- +1\.5 +process +\d+ +- +disk=ssd$/,
    );
    expect(lines.at(-2)).toMatch(/^h1 is cordoned since .*: it has the servers$/);
    await expect(h1.rouse("drain", "h9")).rejects.toThrow(
      'The mesh has no host "h9"; there are h1, h2, h3. (NOT_FOUND, HOST_UNKNOWN)',
    );
    const calls = traffic(h1.edge);
    const there = await idsOn("h2");
    const said = await h1.rouse("drain", "h2", "--reason", "new disk", "--deadline", "5m");
    expect(await idsOn("h2")).toEqual([]);
    for (const id of there) expect(said).toContain(`${id} (probe.v1.ProbeService 1.0.0) has left`);
    expect(said).toContain("h2 is empty after");
    await calls.answeredBy(await idsOn("h3"));
    await calls.stop();
    expect(calls.failures).toEqual([]);
    expect((await host("h2")).mode).toMatchObject({ mode: "draining", reason: "new disk" });
    await h1.rouse("uncordon", "h2");
    expect(await idsOn("h3")).toHaveLength(2);
  });

  test("a stream that does not end is cut at the deadline, and no sooner", async () => {
    const h1 = hosts.of("h1");
    expect(await idsOn("h3")).toHaveLength(2);
    const client = createProbeServiceClient({ target: h1.edge, retries: 0 });
    let ticks = 0;
    const ended = (async () => {
      for await (const _ of client.tick({ count: 1_000_000, intervalMs: 50 })) ticks++;
    })().catch((error) => String(error));
    await until("it ticks", async () => ticks > 3);
    const drained = h1.rouse("maintenance", "h3", "--reason", "an end", "--deadline", "25s");
    await until("the last one waits for the stream", async () => {
      const { running } = await host("h3");
      return running.length === 1 && running[0]?.draining === true;
    });
    const before = ticks;
    await until("it still ticks", async () => ticks > before + 3);
    expect(await drained).toContain("h3 is empty after");
    await ended;
    client.close();
    expect((await host("h3")).mode?.mode).toBe("maintenance");
    await h1.rouse("uncordon", "h3");
  });

  test("a host that dies is found dead, what ran there is replaced while no call is lost, and it is taken back when it returns", async () => {
    // One on each: after the test before, both are here.
    const [moved = "", ...others] = await idsOn("h2");
    if (others.length > 0) {
      await hosts.of("h2").killInstance(moved);
      await until("another serves on h3", async () => (await idsOn("h3")).length === 1);
    }
    await settled();
    expect(await idsOn("h2")).toHaveLength(1);
    const calls = traffic(hosts.of("h1").edge);
    await calls.answeredBy(await idsOn("h2", "h3"));
    await hosts.of("h2").die();
    await until("h2 is declared dead", async () => (await host("h2")).lostAtMs > 0);
    await until("what it had is replaced", async () => (await idsOn("h3")).length === 2);
    await calls.answeredBy(await idsOn("h3"));
    await hosts.of("h2").start();
    await until("h2 is taken back", async () => {
      const { healthy, lostAtMs } = await host("h2");
      return healthy && lostAtMs === 0;
    });
    await calls.stop();
    expect(calls.failures.filter((failure) => !hadBegun(failure))).toEqual([]);
    expect(processesOn(hosts.of("h2"))).toEqual([]);
    expect(await hosts.of("h1").rouse("hosts")).toMatch(/^h2 +active/m);
  });

  test("a host that was cut off stops what was replaced meanwhile, and nothing is doubled", async () => {
    const cut = hosts.of("h3");
    const orphans = await idsOn("h3");
    expect(orphans).toHaveLength(2);
    await cut.cutOff();
    await until("they are replaced on h2", async () => (await idsOn("h2")).length === 2);
    expect((await host("h3")).lostAtMs).toBeGreaterThan(0);
    expect(processesOn(cut).sort()).toEqual([...orphans].sort());
    const replaced = await idsOn("h2");
    const calls = traffic(hosts.of("h1").edge);
    await calls.answeredBy(replaced);
    await cut.reconnect();
    await until("h3 is taken back", async () => {
      const { healthy, lostAtMs } = await host("h3");
      return healthy && lostAtMs === 0;
    });
    expect(processesOn(cut)).toEqual([]);
    await calls.answeredBy(replaced);
    await calls.stop();
    expect(calls.failures).toEqual([]);
    expect((await idsOn("h1", "h3", "h2")).sort()).toEqual([...replaced].sort());
  });

  test("an agent that is silent, or starts anew, does not make a host dead", async () => {
    const there = (await idsOn("h2")).sort();
    expect(there).toHaveLength(2);
    hosts.of("h2").kill("agent", "SIGSTOP");
    await until("the agent is missed", async () => !(await host("h2")).healthy);
    expect(await host("h2")).toMatchObject({ reachable: true, lostAtMs: 0 });
    await hosts.of("h2").restart("agent");
    await until("the host can be given work", async () => (await host("h2")).healthy);
    expect((await idsOn("h2")).sort()).toEqual(there);
    expect(processesOn(hosts.of("h2")).sort()).toEqual(there);
  });

  test.for(["h2", "h1"])("a host whose Consul starts anew keeps what it has: %s", async (name) => {
    const there = (await idsOn("h2")).sort();
    await hosts.of(name).restart("consul");
    await settled();
    expect((await idsOn("h2")).sort()).toEqual(there);
    expect((await all()).map(({ lostAtMs }) => lostAtMs)).toEqual([0, 0, 0]);
  });

  test("whoever leads knows where the bundle is already", async () => {
    const h1 = hosts.of("h1");
    await h1.restart("control-plane");
    await until("it is told of both", async () => {
      const said = await h1.rouse("explain", "probe.v1.ProbeService").catch(() => "");
      return ["h2", "h3"].every((name) =>
        new RegExp(`^${name} .*prepared 0\\.25: its bundle or image is there`, "m").test(said),
      );
    });
  });
});
