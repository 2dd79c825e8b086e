import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHost, type TestHosts, testHosts } from "./support/hosts.ts";
import { allWell, controlPlanes, leads, letLead } from "./support/leaders.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { traffic } from "./support/traffic.ts";

const { available } = testHosts();
const service = "probe.v1.ProbeService";

describe.runIf(available)("three hosts with a control plane and a Consul server each", () => {
  let hosts: TestHosts;
  const probes: Probe[] = [];
  beforeAll(async () => {
    const steady = ["--label", "steady=yes"];
    hosts = await startHosts([{ args: steady }, { server: true, args: steady }, { server: true }]);
    const { data } = hosts.of("h1");
    for (const version of ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"]) {
      // What is called all the time runs where nothing happens: on h1 and h2.
      const edit = (contract: string) =>
        contract.replace('memory: "128Mi"', 'memory: "128Mi", labels: {key: "steady", value: "yes"}');
      const options = version === "1.0.0" ? { minInstances: 2, edit } : {};
      const probe = await makeProbe({ version, ...options });
      probes.push(probe);
      await probe.register(data);
    }
  }, 300_000);
  afterAll(async () => {
    await hosts?.close();
    for (const probe of probes) await probe.remove();
  });

  const client = (host: TestHost, version: string) =>
    createProbeServiceClient({ target: host.edge, version, retries: 0 });

  const well = () => until("all are well", () => allWell(hosts, 3), 120_000);
  const anotherLeads = () => until("another leads", () => leads(hosts, (host) => host !== "h3"), 120_000);
  const tokenOf = async ({ control }: TestHost) =>
    (await withClient(OrchestratorClient, control, (api) => unary(api, "getStatus", {}))).fencingToken;
  const obeys = async ({ agent }: TestHost) =>
    (await withClient(AgentClient, agent, (api) => unary(api, "getStatus", {}, { deadlineMs: 5_000 })))
      .fencingToken;
  const h3Leads = async () => {
    await well();
    const h3 = await letLead(hosts, "h3");
    await until("it knows", async () => (await tokenOf(h3)) > 0);
    return h3;
  };
  /** A command with this token. */
  const command = ({ agent }: TestHost, fencingToken: number) =>
    withClient(AgentClient, agent, (api) =>
      unary(api, "stopInstance", { fencingToken, instanceId: "none", graceMs: 0, reason: "" }),
    );

  test("a leader that is cut off from Consul alone is replaced, and agents refuse what it goes on to command", async () => {
    const old = await h3Leads();
    const token = await tokenOf(old);
    using probe = client(hosts.of("h1"), "1.0.0");
    const calls = traffic(probe, 2);
    await calls.more(20);
    // Agents it reaches as before, and nobody tells it of the next leader.
    old.kill("consul", "SIGSTOP");
    try {
      await anotherLeads();
      await until("all agents obey that one", async () =>
        (await Promise.all(hosts.all.map(obeys))).every((newest) => newest > token),
      );
      expect(await tokenOf(old)).toBe(token);
      const start = withClient(OrchestratorClient, old.control, (api) =>
        unary(api, "startVersion", { service, version: "4.0.0" }, { deadlineMs: 60_000 }),
      );
      await expect(start).rejects.toMatchObject({ reason: "NOT_LEADING" });
      using cold = client(hosts.of("h1"), "4.0.0");
      expect((await cold.echo({ text: "cold" }, { deadlineMs: 60_000 })).version).toBe("4.0.0");
    } finally {
      old.kill("consul", "SIGCONT");
    }
    await well();
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    expect(calls.instances.size).toBe(2);
  }, 400_000);

  test("a leader whose host is cut off is replaced, and obeyed by nobody when it is back", async () => {
    const old = await h3Leads();
    const token = await tokenOf(old);
    using probe = client(hosts.of("h1"), "1.0.0");
    const calls = traffic(probe, 2);
    await calls.more(20);
    await old.cutOff();
    try {
      await anotherLeads();
      using cold = client(hosts.of("h2"), "5.0.0");
      expect((await cold.echo({ text: "cold" }, { deadlineMs: 60_000 })).version).toBe("5.0.0");
      await calls.more(100);
    } finally {
      await old.reconnect();
    }
    await well();
    expect(await leads(hosts, (host) => host !== "h3")).toBe(true);
    await until("all agents obey the next one", async () =>
      (await Promise.all(hosts.all.map(obeys))).every((newest) => newest > token),
    );
    for (const host of hosts.all)
      await expect(command(host, token)).rejects.toMatchObject({ reason: "STALE_TOKEN" });
    expect(await tokenOf(old)).toBe(0);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    expect(calls.instances.size).toBe(2);
  }, 400_000);

  test("a Consul server that is killed costs no call, and cold versions start", async () => {
    await well();
    using probe = client(hosts.of("h2"), "1.0.0");
    const calls = traffic(probe, 2);
    await calls.more(20);
    hosts.of("h2").kill("consul");
    using cold = client(hosts.of("h3"), "2.0.0");
    expect((await cold.echo({ text: "cold" }, { deadlineMs: 60_000 })).version).toBe("2.0.0");
    await calls.more(100);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    await well();
  });

  test("a host dies with the leader: another leads, an agent stands in for its control plane, and it gets it back", async () => {
    // The first host has the registry, without which nothing starts: another one is to lead.
    const dead = await h3Leads();
    const leader = (await controlPlanes(hosts)).find(({ leading }) => leading);
    await dead.die();
    using cold = client(hosts.of("h1"), "3.0.0");
    // Its address may have been the dead host's at first: what counts is that it is served within the deadline.
    await until(
      "a cold version starts",
      async () => {
        const answer = cold.echo({ text: "cold" }, { deadlineMs: 30_000 });
        return (await answer.catch(() => undefined))?.version === "3.0.0";
      },
      120_000,
    );
    await until(
      "another leads, and an agent stands in",
      async () => {
        const planes = await controlPlanes(hosts);
        const now = planes.find(({ leading }) => leading);
        const spare = planes.find(({ id, slot, healthy }) => healthy && slot === leader?.id && id !== slot);
        return now !== undefined && now.host !== dead.name && spare !== undefined && spare.host !== dead.name;
      },
      120_000,
    );
    expect(await hosts.of("h1").rouse("status")).toContain(`${leader?.id}~`);
    await dead.start();
    await well();
  }, 400_000);
});
