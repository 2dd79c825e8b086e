import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CreateOrderRequest,
  OrderState,
  OrdersClient,
  OrderTaskState,
} from "#proto/rouse/orders/v1/orders.ts";
import { makeFolders } from "../agent/folders.ts";
import { Engine } from "../agent/runtimes/docker/engine.ts";
import { containersOf } from "../agent/testing/docker.ts";
import { withClient } from "../cli/connect.ts";
import { readHosts } from "../cli/host-modes.ts";
import { unary } from "../sdk/grpc.ts";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { root, rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

/** Of the administrator, and of the provider "acme". */
const [OURS, THEIRS] = ["jobs.v1.JobsService", "jobs.v1.OthersService"];
const docker = await dockerRuntime();

describe.runIf(testHosts().available && docker.available)("on two hosts with room for two jobs each", () => {
  const engine = new Engine(undefined);
  const folder = mkdtempSync(join(tmpdir(), "order-hosts-"));
  const dataOf = (name: string) => join(folder, name);
  const agents: ChildProcess[] = [];
  const probes: Probe[] = [];
  let hosts: TestHosts;

  beforeAll(async () => {
    const [mesh, ours, theirs] = await Promise.all([
      startHosts(2),
      makeProbe({ fixture: "jobs" }),
      makeProbe({ fixture: "jobs", service: "OthersService" }),
    ]);
    hosts = mesh;
    probes.push(ours, theirs);
    const h1 = hosts.of("h1");
    // The engine is in nobody's namespace: an agent of its own on each host has it for jobs, which need no network.
    for (const [host, name] of [
      [h1, "j1"],
      [hosts.of("h2"), "j2"],
    ] as const) {
      await host.joinDocker();
      const where = ["--listen", `${host.ip}:8173`, "--consul", host.consul, "--registry", h1.registry];
      // A job needs a quarter of a core.
      const has = ["--host", name, "--data", dataOf(name), "--runtime", "docker", "--cpu", "0.5"];
      const node = join(root, "node_modules/.bin/node");
      agents.push(host.spawn(node, join(root, "cli/bin/rouse.mjs"), "agent", ...where, ...has));
    }
    await ours.register(h1.data);
    const acme = { ROUSE_DATA: h1.data, XDG_CONFIG_HOME: folder };
    await rouseOk(["provider", "create", "acme"], acme);
    await rouseOk(["register", "--dir", theirs.dir], acme);
    await until("both agents are there", async () => {
      const well = (await readHosts(h1.registry)).filter(({ healthy }) => healthy).map(({ name }) => name);
      return well.includes("j1") && well.includes("j2");
    });
    await h1.rouse("cordon", "j1", "--reason", "to be the other one");
  }, 240_000);
  afterAll(async () => {
    for (const agent of agents) {
      const ended = once(agent, "exit");
      if (agent.exitCode === null && agent.signalCode === null && agent.kill("SIGUSR2")) await ended;
    }
    await hosts?.close();
    for (const probe of probes) await probe.remove();
    for (const name of ["j1", "j2"])
      expect(await containersOf(engine, makeFolders(dataOf(name)).owner)).toEqual([]);
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = <T>(work: (client: OrdersClient) => Promise<T>) =>
    withClient(OrdersClient, hosts.of("h1").orders, work);
  const get = (id: string) => ask((client) => unary(client, "getOrder", { id }));
  const cancel = (id: string) => ask((client) => unary(client, "cancelOrder", { id, reason: "" }));

  /** Orders one job, which rests at its first attempt until it is told to end. */
  async function place(name: string, service = OURS, priority = 5): Promise<string> {
    const task = { service, method: "Misbehave", parameters: '{"how": "rest"}', retries: 0 };
    const order = CreateOrderRequest.fromPartial({ name, priority, tasks: [task] });
    return (await ask((client) => unary(client, "createOrder", order, { deadlineMs: 90_000 }))).id;
  }

  /** Names of the orders whose job runs on a host. An order counts as running also while a host that is full has just refused its job. */
  async function running(host: string): Promise<string[]> {
    const wanted = { service: "", state: OrderState.RUNNING, limit: 0 };
    const { orders } = await ask((client) => unary(client, "listOrders", wanted));
    const whole = await Promise.all(orders.map(({ id }) => get(id)));
    return whole
      .filter(({ tasks: [task] }) => task?.state === OrderTaskState.RUNNING && task.host === host)
      .map(({ name }) => name)
      .sort();
  }

  const nowRun = (...names: string[]) =>
    until(
      `${names.join(" and ")} run on j2, and no other`,
      async () => (await running("j2")).join() === names.sort().join(),
    );

  test("as many run as there is room for; then the urgent one comes, then who has least, then who came first", async () => {
    const ids = new Map<string, string>();
    for (const name of ["first", "second"]) ids.set(name, await place(name));
    await nowRun("first", "second");
    ids.set("third", await place("third"));
    ids.set("fourth", await place("fourth"));
    ids.set("theirs", await place("theirs", THEIRS));
    ids.set("urgent", await place("urgent", OURS, 9));
    const id = (name: string) => ids.get(name) ?? "";
    await until("the last one is told what it waits for", async () => {
      const [task] = (await get(id("urgent"))).tasks;
      return task?.waitsFor === "its turn, and room on a host";
    });
    await nowRun("first", "second");
    await cancel(id("first"));
    await nowRun("second", "urgent");
    await cancel(id("second"));
    await nowRun("theirs", "urgent");
    await cancel(id("urgent"));
    await nowRun("theirs", "third");
    await cancel(id("theirs"));
    await nowRun("third", "fourth");
    expect((await get(id("theirs"))).tasks).toMatchObject([{ provider: "acme", host: "j2" }]);
    expect(await running("j1")).toEqual([]);
    for (const one of ids.values()) await cancel(one);
    await nowRun();
  });

  test("one whose host is cut off is run again elsewhere, once, and what goes on there is ended", async () => {
    const [h1, h2] = [hosts.of("h1"), hosts.of("h2")];
    const jobsOn = async (name: string) =>
      (await containersOf(engine, makeFolders(dataOf(name)).owner)).filter((one) => one.includes("-job-"));
    const id = await place("cut off");
    await until("it rests", async () => (await get(id)).tasks[0]?.progress?.note === "rests");
    await h1.rouse("uncordon", "j1");
    await h2.cutOff();
    const order = await ask((client) =>
      unary(client, "waitOrder", { id, timeoutMs: 0 }, { deadlineMs: 110_000 }),
    );
    expect(order).toMatchObject({
      state: OrderState.SUCCEEDED,
      tasks: [{ attempts: 2, host: "j1", outputs: [{ name: "rested.txt" }] }],
    });
    expect(JSON.parse(order.tasks[0]?.result ?? "")).toEqual({ found: { attempt: "1" } });
    const logs = await h1.rouse("orders", "logs", id);
    expect(logs).toMatch(/^main#1 --- attempt 1 of .* on host j2$/m);
    expect(logs).toMatch(/^main#1 --- failed: Host "j2" is lost with the job that ran there: .*HOST_LOST/m);
    expect(logs).toMatch(/^main#2 --- attempt 2 of .* on host j1$/m);
    // Nobody can reach it there.
    expect(await jobsOn("j2")).toHaveLength(1);
    await h2.reconnect();
    await until(
      "nothing is left of it on the host that is back",
      async () => (await jobsOn("j2")).length === 0,
    );
    expect(await jobsOn("j1")).toEqual([]);
    const { revision, endedAtMs } = await get(id);
    expect([revision, endedAtMs]).toEqual([order.revision, order.endedAtMs]);
  }, 240_000);

  test("one whose host dies and never comes back waits for room and says why, and is run again elsewhere", async () => {
    const [h1, h2] = [hosts.of("h1"), hosts.of("h2")];
    await h1.rouse("cordon", "j1", "--reason", "to be full");
    const id = await place("dies");
    await nowRun("dies");
    await until("it rests", async () => (await get(id)).tasks[0]?.progress?.note === "rests");
    // The engine is not on the host that dies here: what a power cut ends of it is ended by hand.
    await h2.die();
    for (const name of await containersOf(engine, makeFolders(dataOf("j2")).owner))
      await engine.docker.getContainer(name).remove({ force: true });
    await until(
      "it waits for another host, and tells what became of the first",
      async () => {
        const [task] = (await get(id)).tasks;
        return (
          task?.state === OrderTaskState.READY && task.error?.reason === "HOST_LOST" && task.waitsFor !== ""
        );
      },
      180_000,
    );
    const [task] = (await get(id)).tasks;
    expect(task?.error?.message).toMatch(/^Host "j2" is lost with the job that ran there: /);
    expect(task?.waitsFor).toContain("j1 is cordoned");
    await h1.rouse("uncordon", "j1");
    const order = await ask((client) =>
      unary(client, "waitOrder", { id, timeoutMs: 0 }, { deadlineMs: 110_000 }),
    );
    expect(order).toMatchObject({
      state: OrderState.SUCCEEDED,
      tasks: [{ attempts: 2, host: "j1", outputs: [{ name: "rested.txt" }] }],
    });
    expect(JSON.parse(order.tasks[0]?.result ?? "")).toEqual({ found: { attempt: "1" } });
  }, 360_000);
});
