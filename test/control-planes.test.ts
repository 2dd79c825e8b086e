import { afterAll, beforeAll, expect, test } from "vitest";
import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { type Envoy, MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../cli/connect.ts";
import { ConsulClient } from "../registry/consul.ts";
import { type ControlPlane, listControlPlanes } from "../registry/control-planes.ts";
import { ORCHESTRATOR_KEY } from "../registry/keys.ts";
import { readLeader } from "../registry/leader.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { runningInstances, until } from "./support/live.ts";
import { type ChildName, startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";
import { traffic } from "./support/traffic.ts";

const service = "probe.v1.ProbeService";
let mesh: TestMesh;
let consul: ConsulClient;
const probes: Probe[] = [];

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process", args: ["--control-planes", "2"] });
  consul = new ConsulClient({ address: mesh.consul });
  for (const version of ["1.0.0", "2.0.0", "3.0.0", "4.0.0"]) {
    const probe = await makeProbe({ version });
    probes.push(probe);
    await probe.register(mesh.data);
  }
});
afterAll(async () => {
  consul?.close();
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

const client = (version: string) => createProbeServiceClient({ target: mesh.edge, version, retries: 0 });

const healthy = async () => (await listControlPlanes(consul)).filter((plane) => plane.healthy);

/** The Envoys that a control plane serves; none while it does not answer. */
async function envoysOf({ address }: ControlPlane): Promise<Envoy[]> {
  const asked = withClient(MeshConfigClient, address, (api) =>
    unary(api, "getStatus", { own: true }, { deadlineMs: 1_000 }),
  );
  return asked.then(({ envoys }) => envoys).catch(() => []);
}

/** The control plane that serves the mesh's Envoy, which came to it after a moment. */
async function serving(sinceMs = 0): Promise<ControlPlane> {
  let found: ControlPlane | undefined;
  await until("a control plane serves Envoy", async () => {
    for (const plane of await healthy())
      if ((await envoysOf(plane)).some(({ connectedAtMs }) => connectedAtMs > sinceMs)) found = plane;
    return found !== undefined;
  });
  return found as ControlPlane;
}

/** The child of `rouse up` that is this control plane. */
const childOf = ({ id }: ControlPlane): ChildName =>
  id.endsWith("-2") ? "control-plane-2" : "control-plane";

const leaderIs = (wanted: (address: string) => boolean) =>
  until("another one leads", async () => {
    const leader = await readLeader(consul, ORCHESTRATOR_KEY);
    return leader !== undefined && wanted(leader.address);
  });

test("the control plane that Envoy is with is killed under traffic: no call is lost, and nothing wakes", async () => {
  await until("both are there", async () => (await healthy()).length === 2);
  using probe = client("1.0.0");
  const calls = traffic(probe, 4);
  await calls.more(50);
  for (let round = 0; round < 2; round++) {
    mesh.kill(childOf(await serving()));
    await serving(Date.now());
    await calls.more(100);
    await until("it is back", async () => (await healthy()).length === 2);
  }
  const { failures } = await calls.stop();
  expect(failures).toEqual([]);
  expect(calls.instances.size).toBe(1);
  expect(await runningInstances(mesh, service)).toEqual([...calls.instances]);
});

test("a leader that is killed is replaced, and a cold version starts", async () => {
  const leader = await readLeader(consul, ORCHESTRATOR_KEY);
  const plane = (await healthy()).find(({ address }) => address === leader?.address) as ControlPlane;
  mesh.kill(childOf(plane));
  using probe = client("2.0.0");
  const answer = await probe.echo({ text: "cold" }, { deadlineMs: 60_000 });
  expect(answer.version).toBe("2.0.0");
  await until("both are there", async () => (await healthy()).length === 2);
});

test("a leader that hangs is replaced, an agent starts a control plane in its place, and when it comes to itself its commands are refused", async () => {
  const leader = await readLeader(consul, ORCHESTRATOR_KEY);
  const hung = (await healthy()).find(({ address }) => address === leader?.address) as ControlPlane;
  using probe = client("1.0.0");
  const calls = traffic(probe, 2);
  const child = childOf(hung);
  mesh.kill(child, "SIGSTOP");
  try {
    await leaderIs((address) => address !== hung.address);
    using cold = client("3.0.0");
    expect((await cold.echo({ text: "cold" }, { deadlineMs: 60_000 })).version).toBe("3.0.0");
    await until("an agent has started one in its place", async () =>
      (await healthy()).some(({ id, slot }) => slot === hung.id && id !== hung.id),
    );
  } finally {
    mesh.kill(child, "SIGCONT");
  }
  await until("it is back, and the spare is gone", async () => {
    const planes = await healthy();
    return planes.length === 2 && planes.every(({ id, slot }) => id === slot);
  });
  const { failures } = await calls.stop();
  expect(failures).toEqual([]);
  expect(calls.instances.size).toBe(1);
  const [instanceId = ""] = calls.instances;
  await expect(
    withClient(AgentClient, mesh.agent, (agent) =>
      unary(agent, "stopInstance", { fencingToken: leader?.token ?? 0, instanceId, graceMs: 0, reason: "" }),
    ),
  ).rejects.toMatchObject({ reason: "STALE_TOKEN" });
});

test("any control plane answers for all of them", async () => {
  const status = await rouseOk(["status", "--data", mesh.data]);
  expect(status).toMatch(/control-\S+ .* (leads|follows) .*\n.*control-\S+-2 .* (leads|follows) /);
  expect(status).toContain("envoy-");
  const wakes = await rouseOk(["wakes", "--data", mesh.data]);
  expect(wakes).toContain(`${service} 3.0.0`);
  // Whichever leads does it.
  await rouseOk(["start", service, "3.0.0", "--data", mesh.data]);
  const leader = await readLeader(consul, ORCHESTRATOR_KEY);
  const follower = (await healthy()).find(({ address }) => address !== leader?.address);
  await expect(
    withClient(OrchestratorClient, follower?.address ?? "", (api) =>
      unary(api, "startVersion", { service, version: "3.0.0" }),
    ),
  ).resolves.toMatchObject({ host: expect.any(String) });
});

test("while all are down warm calls go on, and a cold one is held until one is back", async () => {
  using probe = client("1.0.0");
  const calls = traffic(probe, 2);
  await calls.more(20);
  const children: ChildName[] = ["control-plane", "control-plane-2"];
  // Held in the moment of their death, so that nobody starts them again before the call is there.
  for (const name of children) mesh.kill(name, "SIGSTOP");
  using cold = client("4.0.0");
  const held = cold.echo({ text: "cold" }, { deadlineMs: 60_000 });
  await calls.more(50);
  for (const name of children) mesh.kill(name, "SIGKILL");
  expect((await held).version).toBe("4.0.0");
  await calls.more(20);
  const { failures } = await calls.stop();
  expect(failures).toEqual([]);
  expect(calls.instances.size).toBe(1);
});
