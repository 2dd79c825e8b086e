import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { readHosts } from "../cli/host-modes.ts";
import { byHand } from "../sdk/fixtures/by-hand.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

const { available } = testHosts();

describe.runIf(available)("sessions on two hosts, called by the edges of both", () => {
  let hosts: TestHosts;
  const probes: Probe[] = [];
  const register = async (version: string, times: string, ...more: string[]) => {
    const sessions = `session_key: "x-session" sessions: {${times}}`;
    const probe = await makeProbe({
      version,
      edit: (contract) =>
        contract.replace("min_instances: 0", `min_instances: 2 max_instances: 3 ${sessions}`),
    });
    probes.push(probe);
    await probe.register(hosts.of("h1").data, ...more);
  };
  beforeAll(async () => {
    hosts = await startHosts(2);
    await register("1.0.0", 'idle_timeout: "3s", retire_timeout: "10m"');
  }, 240_000);
  afterAll(async () => {
    await hosts?.close();
    for (const probe of probes) await probe.remove();
  });

  /** The probe's instances on a host. */
  async function on(name: string, version = "1.0.0") {
    const host = (await readHosts(hosts.of("h1").registry)).find((one) => one.name === name);
    return (host?.running ?? []).filter(
      (one) => one.service === "probe.v1.ProbeService" && one.version === version,
    );
  }
  const untilOnEach = (version: string) =>
    until(`an instance of ${version} serves on each host`, async () => {
      const all = await Promise.all(hosts.all.map(({ name }) => on(name, version)));
      return all.every((here) => here.length === 1 && here[0]?.healthy === true);
    });

  const edges = (version = "1.0.0") =>
    hosts.all.map(({ edge }) => {
      const client = createProbeServiceClient({ target: edge, version, retries: 0 });
      onTestFinished(() => client.close());
      return client;
    });

  /** A call of a session that lasts, and so does the session; ended by the test. */
  function lasting(client: ReturnType<typeof createProbeServiceClient>, key: string) {
    const { requests, send, end } = byHand<{ text: string }>();
    const stream = client.chat(requests, { metadata: { "x-session": key } })[Symbol.asyncIterator]();
    onTestFinished(end);
    /** Who answers. */
    const ask = async () => {
      send({ text: "x" });
      return (await stream.next()).value?.instance;
    };
    return { ask, end, over: async () => (await stream.next()).done };
  }

  /** Drains h2. @returns what the command says in the end. */
  function drainH2() {
    let isOver = false;
    const words = hosts
      .of("h1")
      .rouse("drain", "h2", "--deadline", "10m")
      .finally(() => {
        isOver = true;
      });
    return { words, isOver: () => isOver };
  }

  test("a session has one instance, by whichever edge it is called, and keeps it while its host is drained", async () => {
    await untilOnEach("1.0.0");
    const clients = edges();
    /** Who answers a session's call, by whichever edge: both at the same time. */
    const home = async (key: string) => {
      const options = { metadata: { "x-session": key }, deadlineMs: 60_000 };
      const answers = await Promise.all(clients.map((client) => client.echo({ text: "x" }, options)));
      const [instance = "", ...others] = new Set(answers.map((answer) => answer.instance));
      expect(others, key).toEqual([]);
      return instance;
    };
    const [goes = ""] = (await on("h2")).map(({ id }) => id);
    // Envoys may hear of the second instance a moment later.
    let key = "";
    await until("a session begins on h2", async () => {
      key = `s-${Math.random()}`;
      return (await home(key)) === goes;
    });
    const [first] = clients;
    if (first === undefined) throw new Error("there is no edge");
    const call = lasting(first, key);
    expect(await call.ask()).toBe(goes);

    const draining = drainH2();
    await until("its instance is replaced, and retires", async () => {
      const here = (await on("h2")).find(({ id }) => id === goes);
      return here?.draining === true && (await on("h1")).length === 2;
    });
    await until("new sessions begin on h1 only", async () => {
      const fresh = await Promise.all(
        Array.from({ length: 10 }, (_, n) => home(`new-${n}-${Math.random()}`)),
      );
      return !fresh.includes(goes);
    });
    for (let round = 0; round < 5; round++) {
      expect(await home(key)).toBe(goes);
      expect(await call.ask()).toBe(goes);
    }
    expect(draining.isOver()).toBe(false);
    call.end();
    expect(await call.over()).toBe(true);
    // Nothing is left of it some seconds later.
    expect(await draining.words).toContain(`${goes} (probe.v1.ProbeService 1.0.0) has left`);
    expect((await on("h1")).map(({ id }) => id)).toContain(await home(key));
  });

  /** Sessions of a version, called by both edges in turn; a call's answer is how many there were of its session. */
  function counting(version: string) {
    const clients = edges(version);
    let turn = 0;
    return async (key: string) => {
      const client = clients[turn++ % clients.length];
      if (client === undefined) throw new Error("there is no edge");
      const options = { metadata: { "x-session": key }, deadlineMs: 60_000 };
      const { text, instance } = await client.echo({ text: "count" }, options);
      return { count: Number(text), instance };
    };
  }

  test("a drain has a service with hooks hand its sessions over under calls, and waits for others no longer than their time", async () => {
    await hosts.of("h1").rouse("uncordon", "h2");
    // No session is over by itself.
    await register("2.0.0", 'idle_timeout: "1h", retire_timeout: "10m"', "--env", "PROBE_HANDS_OVER=1");
    await register("3.0.0", 'idle_timeout: "1h", retire_timeout: "5s"');
    for (const version of ["2.0.0", "3.0.0"]) await untilOnEach(version);
    const [moves, stays] = [counting("2.0.0"), counting("3.0.0")];
    /** Begins sessions until some are on h2; how many calls each had, by session. */
    const begin = async (version: string, call: typeof moves) => {
      const [there] = await on("h2", version);
      const counts = new Map<string, number>();
      const moved: string[] = [];
      await until(`sessions of ${version} begin on h2`, async () => {
        const key = `s-${counts.size}`;
        const { count, instance } = await call(key);
        expect(count).toBe(1);
        counts.set(key, 1);
        if (instance === there?.id) moved.push(key);
        return moved.length >= 3;
      });
      return { counts, moved, there: there?.id ?? "" };
    };
    const handedOver = await begin("2.0.0", moves);
    const ended = await begin("3.0.0", stays);

    const draining = drainH2();
    // Each session's calls, one after the other.
    const callers = [...handedOver.counts.keys()].map(async (key) => {
      for (let last = false; !last; ) {
        last = draining.isOver();
        const count = (handedOver.counts.get(key) ?? 0) + 1;
        handedOver.counts.set(key, count);
        expect((await moves(key)).count, key).toBe(count);
        await sleep(20);
      }
    });
    await Promise.all([draining.words, ...callers]);
    expect([...(await on("h2", "2.0.0")), ...(await on("h2", "3.0.0"))]).toEqual([]);
    for (const key of handedOver.moved) {
      const { count, instance } = await moves(key);
      expect(count, key).toBe((handedOver.counts.get(key) ?? 0) + 1);
      expect(instance).not.toBe(handedOver.there);
    }
    for (const key of ended.moved) {
      const { count, instance } = await stays(key);
      expect(count, key).toBe(1);
      expect(instance).not.toBe(ended.there);
    }
  }, 240_000);
});
