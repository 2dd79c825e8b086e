import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startHosts, type TestHost, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { traffic } from "./support/traffic.ts";

const { available } = testHosts();

describe.runIf(available)("three hosts with a control plane and a Consul server each", () => {
  let hosts: TestHosts;
  const probes: Probe[] = [];
  beforeAll(async () => {
    hosts = await startHosts([{}, { server: true }, { server: true }]);
    const { data } = hosts.of("h1");
    // Two instances, so that one is left when a host dies.
    for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
      const probe = await makeProbe({ version, minInstances: version === "1.0.0" ? 2 : 0 });
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

  /** What any of the control planes that answer tells of all. */
  async function controlPlanes(): Promise<readonly ControlPlane[]> {
    for (const { control } of hosts.all) {
      const asked = withClient(OrchestratorClient, control, (api) =>
        unary(api, "getStatus", {}, { deadlineMs: 1_000 }),
      );
      const status = await asked.catch(() => undefined);
      if (status !== undefined) return status.controlPlanes;
    }
    return [];
  }

  const allWell = async () => {
    const planes = await controlPlanes();
    return (
      planes.filter(({ healthy, id, slot }) => healthy && id === slot).length === 3 &&
      planes.every(({ id, slot }) => id === slot) &&
      planes.some(({ leading }) => leading)
    );
  };

  test("a Consul server that is killed costs no call, and cold versions start", async () => {
    await until("all are well", allWell);
    using probe = client(hosts.of("h2"), "1.0.0");
    const calls = traffic(probe, 2);
    await calls.more(20);
    hosts.of("h2").kill("consul");
    using cold = client(hosts.of("h3"), "2.0.0");
    expect((await cold.echo({ text: "cold" }, { deadlineMs: 60_000 })).version).toBe("2.0.0");
    await calls.more(100);
    const { failures } = await calls.stop();
    expect(failures).toEqual([]);
    await until("all are well", allWell);
  });

  test("a host dies with the leader: another leads, an agent stands in for its control plane, and it gets it back", async () => {
    // The first host has the registry, without which nothing starts: another one is to lead.
    const first = hosts.of("h1");
    first.kill("control-plane", "SIGSTOP");
    await until("another host leads", async () =>
      (await controlPlanes()).some(({ leading, host }) => leading && host !== "h1"),
    );
    first.kill("control-plane", "SIGCONT");
    await until("all are well", allWell);
    const leader = (await controlPlanes()).find(({ leading }) => leading);
    const dead = hosts.of(leader?.host ?? "");
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
        const planes = await controlPlanes();
        const now = planes.find(({ leading }) => leading);
        const spare = planes.find(({ id, slot, healthy }) => healthy && slot === leader?.id && id !== slot);
        return now !== undefined && now.host !== dead.name && spare !== undefined && spare.host !== dead.name;
      },
      120_000,
    );
    expect(await hosts.of("h1").rouse("status")).toContain(`${leader?.id}~`);
    await dead.start();
    await until("it has its own again", allWell, 120_000);
  });
});
