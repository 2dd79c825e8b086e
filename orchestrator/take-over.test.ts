import { Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import {
  type AgentServer,
  AgentService,
  Instance,
  InstanceState,
  type ListInstancesRequest,
  type StartInstanceRequest,
} from "#proto/rouse/agent/v1/agent.ts";
import { instance, manifest, TestMesh, version } from "../mesh-config/testing/state.ts";
import type { HostState } from "../registry/hosts.ts";
import { answer } from "../sdk/answer.ts";
import { listen } from "../sdk/grpc.ts";
import { Orchestrator } from "./orchestrator.ts";
import { hostState } from "./placement/testing/fleet.ts";
import { takeOver } from "./take-over.ts";

const service = "a.v1.A";
const TOKEN = 7;
/** For what comes within milliseconds, but on a busy machine. */
const SLOW = { timeout: 60_000 };

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** An agent that has these instances, and tells of them when it is let. Its starts never end. */
async function agent(instances: readonly Instance[], may: Promise<unknown> = Promise.resolve()) {
  const server = new Server();
  const started: string[] = [];
  const asked = Promise.withResolvers<number>();
  const handlers: Partial<AgentServer> = {
    listInstances: answer(async ({ fencingToken = 0 }: ListInstancesRequest) => {
      asked.resolve(fencingToken);
      await may;
      return { instances: [...instances] };
    }),
    startInstance: answer(({ instanceId }: StartInstanceRequest) => {
      started.push(instanceId);
      return new Promise<never>(() => undefined);
    }),
  };
  server.addService(AgentService, handlers as AgentServer);
  const address = await listen(server, "127.0.0.1:0");
  closers.push(() => server.forceShutdown());
  return { address, started, asked: asked.promise };
}

/** An instance as its agent tells of it. */
const told = (id: string, state: InstanceState, over: Partial<Instance> = {}): Instance =>
  Instance.fromPartial({
    id,
    service,
    version: "1.0.0",
    generation: 1,
    state,
    address: "127.0.0.1:9",
    ...over,
  });

/** A mesh with one version that needs an instance, and who is to lead it. */
function follower(hosts: readonly HostState[], minInstances = 1) {
  const mesh = new TestMesh();
  mesh.put(version(manifest(service, "1.0.0", { minInstances }), { generation: 1, served: true }));
  let current = hosts;
  const orchestrator = new Orchestrator({
    id: "next",
    log: pino({ level: "silent" }),
    mesh: {
      current: () => mesh.state,
      hosts: () => current,
      updateActivation: mesh.updateActivation,
    },
  });
  closers.push(() => orchestrator.close());
  return {
    orchestrator,
    shows: (...ids: readonly string[]) => {
      const instances = ids.map((id) => instance(id, 1, "127.0.0.1:9"));
      mesh.change(service, "1.0.0", (state) => ({ ...state, instances }));
      orchestrator.evaluateChanged();
    },
    setHosts: (hosts: readonly HostState[]) => {
      current = hosts;
    },
    starts: () => [...orchestrator.starts.all()].map(({ instanceId }) => instanceId),
    takeOver: () =>
      takeOver(
        orchestrator,
        TOKEN,
        () => true,
        () => undefined,
      ),
  };
}

test("an instance that the former leader has just brought to serve, and that Consul does not show, is not started again", async () => {
  const h1 = await agent([told("served", InstanceState.SERVING)]);
  const next = follower([hostState("h1", { address: h1.address })]);
  await next.takeOver();
  expect(await h1.asked).toBe(TOKEN);
  expect(next.orchestrator.token).toBe(TOKEN);
  expect(next.starts()).toEqual(["served"]);
  next.shows("served");
  expect(next.starts()).toEqual([]);
  expect(next.orchestrator.mesh.current().services.get(service)?.versions.get("1.0.0")?.activation).toEqual({
    generation: 1,
    served: true,
  });
  expect(h1.started).toEqual([]);
});

test("a host that is found to be gone is not waited for; what its agent says later is joined, and nothing is started twice", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  closers.push(() => vi.useRealTimers());
  const may = Promise.withResolvers<void>();
  const instances = [
    told("shown", InstanceState.STARTING),
    told("begun", InstanceState.STARTING),
    told("served", InstanceState.SERVING),
    told("retires", InstanceState.SERVING, { retiring: true }),
    told("ends", InstanceState.DRAINING),
    told("unknown", InstanceState.STARTING, { version: "9.0.0" }),
  ];
  const h1 = await agent(instances, may.promise);
  const here = hostState("h1", { address: h1.address });
  const next = follower([here]);
  const led = next.takeOver();
  await h1.asked;
  expect(next.orchestrator.token).toBeUndefined();
  next.setHosts([{ ...here, reachable: false }]);
  // No time passes.
  await led;
  expect(next.orchestrator.token).toBe(TOKEN);
  next.setHosts([here]);
  await vi.waitFor(() => {
    next.orchestrator.evaluateAll();
    expect(h1.started).toHaveLength(1);
  }, SLOW);
  const own = h1.started[0] ?? "";
  instances.push(told(own, InstanceState.STARTING));
  next.shows("shown");
  may.resolve();
  await expect.poll(next.starts, SLOW).toEqual([own, "begun", "served"]);
  await expect.poll(() => h1.started, SLOW).toEqual([own, "begun"]);
});

test("what is taken out of the catalog with its host, or serves where Consul hears nothing, does not count", async () => {
  const of = async (id: string) => (await agent([told(id, InstanceState.SERVING)])).address;
  const lost = { atMs: 0, token: 1, instances: [] };
  const next = follower(
    [
      hostState("h1", { address: await of("replaced"), healthy: false, lost }),
      hostState("h2", { address: await of("unheard"), healthy: false, reachable: false }),
      hostState("h3", { address: await of("counts"), healthy: false }),
    ],
    0,
  );
  await next.takeOver();
  await expect.poll(next.starts, SLOW).toEqual(["counts"]);
});
