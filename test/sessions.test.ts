import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentClient, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { until, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";

/* What the orchestrator makes of sessions, and of calls that go past Envoy: nothing ends while they last. */

const service = "probe.v1.ProbeService";
let mesh: TestMesh;
const probes: Probe[] = [];

const options = (more: string) => (contract: string) =>
  contract.replace("min_instances: 0", `min_instances: 0 max_instances: 3 ${more}`);

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  const quick = 'scaling: {stable_window: "2s", panic_window: "1s", scale_down_delay: "1s"}';
  const sessions = 'session_key: "x-session" sessions: {idle_timeout: "15s", retire_timeout: "2m"}';
  const versions = [
    { version: "1.0.0", idleTimeout: "1s", edit: options(`${sessions} ${quick}`) },
    { version: "2.0.0", idleTimeout: "2s", edit: options("load_balancing: LOAD_BALANCING_CLIENT") },
  ];
  for (const version of versions) {
    const probe = await makeProbe(version);
    probes.push(probe);
    await probe.register(mesh.data);
  }
});

afterAll(async () => {
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

/** The instances that serve, as the agent has them. */
async function instances(version: string) {
  const { instances: all } = await withClient(AgentClient, mesh.agent, (agent) =>
    unary(agent, "listInstances", {}),
  );
  return all.filter((one) => one.version === version && one.state === InstanceState.SERVING);
}

test("a retiring instance is kept while sessions live there, and the version while any does", async () => {
  using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0", retries: 0 });
  const call = async (key: string) => {
    const metadata = { "x-session": key };
    return (await client.echo({ text: "x" }, { metadata, deadlineMs: 60_000 })).instance;
  };
  await rouseOk(["tune", service, "1.0.0", "--min", "2", "--data", mesh.data]);
  await until("there are two instances", async () => (await instances("1.0.0")).length === 2);
  const homes = new Map<string, string>();
  // Envoy hears of the second one a moment later.
  for (let count = 0; new Set(homes.values()).size < 2 || count < 12; count++) {
    expect(count, "sessions at one instance only").toBeLessThan(5_000);
    homes.set(`s-${count}`, await call(`s-${count}`));
  }
  const keys = [...homes.keys()].slice(-12);
  const homeOf = async () =>
    new Map(await Promise.all(keys.map(async (key) => [key, await call(key)] as const)));
  const before = await homeOf();
  await rouseOk(["tune", service, "1.0.0", "--reset", "--data", mesh.data]);
  let retiring = "";
  await until("one of them retires", async () => {
    expect(await homeOf()).toEqual(before);
    retiring = (await instances("1.0.0")).find((one) => one.retiring)?.id ?? "";
    return retiring !== "";
  });
  await until("new sessions go to the other one only", async () => {
    const fresh = await Promise.all(keys.map((key) => call(`new-${key}-${Math.random()}`)));
    return !fresh.includes(retiring);
  });
  for (let round = 0; round < 5; round++) expect(await homeOf()).toEqual(before);
  expect((await instances("1.0.0")).map(({ id }) => id)).toContain(retiring);
  await until("the last sessions are over, and with them the instance that retires", async () => {
    return (await instances("1.0.0")).every(({ id }) => id !== retiring);
  });
  await untilCold(mesh, service);
});

test("a version that is called past Envoy does not go idle, and does so afterwards", async () => {
  using client = createProbeServiceClient({ target: mesh.mesh, version: "2.0.0", balancing: "client" });
  /** Calls that Envoy has passed to the version. */
  const passed = async () => {
    const stats = await (await fetch(`http://${mesh.envoyAdmin}/stats?filter=upstream_rq_total`)).text();
    const counts = [...stats.matchAll(/ProbeService@2\.0\.0#\d+\.upstream_rq_total: (\d+)/g)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  await client.echo({ text: "wake" }, { deadlineMs: 60_000 });
  const [instance] = await instances("2.0.0");
  await until("calls go past Envoy", async () => {
    const before = await passed();
    await client.echo({ text: "x" }, { deadlineMs: 60_000 });
    return (await passed()) === before;
  });
  let ticks = 0;
  for await (const { number } of client.tick({ count: 8, intervalMs: 1_000 })) ticks = number;
  expect(ticks).toBe(8);
  expect(await instances("2.0.0")).toMatchObject([{ id: instance?.id, generation: 1, retiring: false }]);
  await untilCold(mesh, service);
});
