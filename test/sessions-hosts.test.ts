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
  let probe: Probe;
  beforeAll(async () => {
    const sessions = 'session_key: "x-session" sessions: {idle_timeout: "3s", retire_timeout: "10m"}';
    [hosts, probe] = await Promise.all([
      startHosts(2),
      makeProbe({
        edit: (contract) =>
          contract.replace("min_instances: 0", `min_instances: 2 max_instances: 3 ${sessions}`),
      }),
    ]);
    await probe.register(hosts.of("h1").data);
  }, 240_000);
  afterAll(async () => {
    await hosts?.close();
    await probe?.remove();
  });

  /** The probe's instances on a host. */
  async function on(name: string) {
    const host = (await readHosts(hosts.of("h1").registry)).find((one) => one.name === name);
    return (host?.running ?? []).filter(({ service }) => service === "probe.v1.ProbeService");
  }

  const edges = () =>
    hosts.all.map(({ edge }) => {
      const client = createProbeServiceClient({ target: edge, retries: 0 });
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

  test("a session has one instance, by whichever edge it is called, and keeps it while its host is drained", async () => {
    await until("an instance serves on each host", async () => {
      const all = await Promise.all(hosts.all.map(({ name }) => on(name)));
      return all.every((here) => here.length === 1 && here[0]?.healthy === true);
    });
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

    let drained = false;
    const draining = hosts
      .of("h1")
      .rouse("drain", "h2", "--deadline", "10m")
      .finally(() => {
        drained = true;
      });
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
    expect(drained).toBe(false);
    call.end();
    expect(await call.over()).toBe(true);
    // Nothing is left of it some seconds later.
    expect(await draining).toContain(`${goes} (probe.v1.ProbeService 1.0.0) has left`);
    expect((await on("h1")).map(({ id }) => id)).toContain(await home(key));
  });
});
