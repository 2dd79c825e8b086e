import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Job, JobsClient, type WatchJobsResponse } from "#proto/rouse/agent/v1/jobs.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { type Order, OrderState, OrdersClient, OrderTaskState } from "#proto/rouse/orders/v1/orders.ts";
import { withClient } from "../cli/connect.ts";
import { readHosts } from "../cli/host-modes.ts";
import { type Artifacts, artifacts } from "../sdk/client/artifacts/client.ts";
import { unary } from "../sdk/grpc.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const SERVICE = "jobs.v1.JobsService";
/** Bytes, as many as the fixture relays. */
const LARGE = 48 * 2 ** 20;

/** No two mebibytes of it are the same. */
async function* large(): AsyncGenerator<Buffer> {
  for (let at = 0; at < LARGE / 2 ** 20; at++) yield Buffer.alloc(2 ** 20, `${at} gattaca `);
}

function digestOf(uri: string): string {
  return /sha256-([0-9a-f]{64})/.exec(uri)?.[1] ?? "none";
}

/** Of the host, in whatever currency: a job's share of it by the hour is not lost among the digits. */
const COST_PER_HOUR = "3600";
const { available } = await dockerRuntime();

describe.skipIf(!available)("orders of jobs", () => {
  let mesh: TestMesh;
  let store: Artifacts;
  const probes: Probe[] = [];
  const folder = mkdtempSync(join(tmpdir(), "order-jobs-"));
  const reads = join(folder, "reads.txt");

  beforeAll(async () => {
    writeFileSync(reads, "acgt");
    mesh = await startMesh({ runtime: "docker", args: ["--cost", COST_PER_HOUR] });
    store = artifacts({ target: mesh.orders, http: mesh.ordersHttp });
    const huge = (contract: string) => contract.replace("cpu: 0.25", "cpu: 500");
    for (const options of [{ version: "1.0.0" }, { version: "2.0.0-huge", edit: huge }]) {
      const probe = await makeProbe({ fixture: "jobs", ...options });
      probes.push(probe);
      await probe.register(mesh.data);
    }
  });
  afterAll(async () => {
    store?.close();
    await mesh?.close();
    for (const probe of probes) await probe.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const job = (method: string, parameters: object, more: object = {}) => ({
    service: SERVICE,
    method,
    parameters,
    ...more,
  });

  async function place(tasks: Readonly<Record<string, object>>, ...args: string[]): Promise<string> {
    const file = join(folder, `${Math.random().toString(36).slice(2)}.json`);
    writeFileSync(file, JSON.stringify({ tasks }));
    return (await rouseOk(["order", "--workflow", file, ...args, "--data", mesh.data])).trim();
  }

  const ask = <T>(work: (client: OrdersClient) => Promise<T>) => withClient(OrdersClient, mesh.orders, work);
  const get = (id: string) => ask((client) => unary(client, "getOrder", { id }));
  const ended = (id: string): Promise<Order> =>
    ask((client) => unary(client, "waitOrder", { id, timeoutMs: 0 }, { deadlineMs: 110_000 }));

  /** Jobs that the host knows. */
  async function hostJobs(): Promise<readonly Job[]> {
    const client = new JobsClient(mesh.agent, credentials.createInsecure());
    try {
      const stream = client.watchJobs({});
      for await (const { jobs } of stream as AsyncIterable<WatchJobsResponse>) return jobs;
      return [];
    } finally {
      client.close();
    }
  }

  /** Puts a byte of a stored content wrong. */
  function damage(uri: string, at: number): void {
    const files = readdirSync(mesh.data, { recursive: true, encoding: "utf8" });
    const path = files.find((one) => basename(one).startsWith(digestOf(uri))) ?? "";
    const file = openSync(join(mesh.data, path), "r+");
    writeSync(file, "X", at);
    closeSync(file);
  }

  async function contentOf(uri: string): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of store.get(uri)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  test("one reads its input, keeps its output, and what it used is told", async () => {
    const args = ["--input", `reads=${reads}`, "--metadata", "who=somebody", "--name", "copy", "--wait"];
    const out = await rouseOk(["order", `${SERVICE}/Copy`, '{"prefix": "> "}', ...args, "--data", mesh.data]);
    const given = JSON.parse(out) as { result: { bytes: string }; outputs: { reads: string } };
    expect(given.result.bytes).toBe("6");
    expect(await contentOf(given.outputs.reads)).toBe("> ACGT");
    const listed = await rouseOk(["orders", "--data", mesh.data]);
    const id = /^(\S+) +copy +succeeded/m.exec(listed)?.[1] ?? "";
    const order = await get(id);
    expect(order.tasks).toMatchObject([
      { attempts: 1, said: { copied: "1" }, outputs: [{ name: "reads", bytes: 6 }] },
    ]);
    const { cpuMs = 0, wallMs = 0, memoryPeakBytes = 0, readBytes, writtenBytes } = order.used ?? {};
    for (const amount of [cpuMs, wallMs, memoryPeakBytes]) expect(amount).toBeGreaterThan(0);
    expect([readBytes, writtenBytes]).toEqual([4, 6]);
    const { cost = 0 } = order.used ?? {};
    expect(cost).toBeGreaterThan(0);
    // It had reserved a part of the host, for its time.
    expect(cost).toBeLessThan((Number(COST_PER_HOUR) * wallMs) / 3_600_000);
    const shown = await rouseOk(["orders", "show", id, "--data", mesh.data]);
    expect(shown).toContain(`cost ${cost.toPrecision(3)}`);
    const logs = await rouseOk(["orders", "logs", id, "--data", mesh.data]);
    expect(logs).toContain("main#1 copies reads for somebody\n");
    expect((await store.show(given.outputs.reads)).holders).toEqual([`order:${id}`]);
    await until("its host has forgotten it", async () => (await hostJobs()).length === 0);
  });

  test("a workflow hands artifacts and results on, to jobs and calls", async () => {
    const id = await place({
      first: job("Copy", { prefix: "1" }, { inputs: { reads } }),
      second: job(
        "Copy",
        { prefix: { from: "tasks.first.result.outputs.reads" } },
        { inputs: { again: { from: "tasks.first.outputs.reads" } } },
      ),
      ping: { service: SERVICE, method: "Ping", after: ["second"] },
    });
    const order = await ended(id);
    expect(order.error?.message).toBeUndefined();
    const [first, second, ping] = order.tasks;
    const uri = first?.outputs[0]?.uri ?? "";
    expect(await contentOf(second?.outputs[0]?.uri ?? "")).toBe(`${uri}1ACGT`);
    expect(JSON.parse(ping?.result ?? "")).toEqual({ version: "1.0.0" });
    // An instance serves others beside a call: of that only the time is told.
    const costs = order.tasks.map(({ used }) => used?.cost ?? 0);
    expect(costs.map((cost) => cost > 0)).toEqual([true, true, false]);
    expect(order.used?.cost).toBeCloseTo(costs.reduce((sum, cost) => sum + cost, 0));
  });

  test("one that always fails is tried again, then fails with its last words; the rest goes on", async () => {
    const poison = await place({
      bad: job("Misbehave", { how: "exit" }, { retries: 1 }),
      needs: job("Copy", {}, { after: ["bad"] }),
    });
    const good = await place({ copy: job("Copy", {}, { inputs: { reads } }) });
    expect((await ended(good)).state).toBe(OrderState.SUCCEEDED);
    const order = await ended(poison);
    expect(order.state).toBe(OrderState.FAILED);
    expect(order.error?.message).toMatch(/^Task "bad" failed after 2 attempts: /);
    expect(order.error?.message).toContain("the very last words");
    expect(order.tasks.map(({ state, attempts }) => [state, attempts])).toEqual([
      [OrderTaskState.FAILED, 2],
      [OrderTaskState.SKIPPED, 0],
    ]);
    const logs = await rouseOk(["orders", "logs", poison, "bad", "--data", mesh.data]);
    expect(logs).toContain("bad#1 words before the end\n");
    expect(logs).toContain("; it is tried again in 1 s\n");
    expect(logs).toContain("bad#2 the very last words\n");
  });

  test("one that ends while orders and its host's agent are away is found ended", async () => {
    const id = await place({ late: job("Misbehave", { how: "later" }) });
    // On a slow machine it may have ended before anybody looks.
    await until("it runs", async () => {
      const runs = (await hostJobs()).some(({ startedAtMs }) => startedAtMs > 0);
      return runs || (await get(id)).endedAtMs > 0;
    });
    await Promise.all([mesh.restart("agent", "SIGKILL"), mesh.restart("orders", "SIGKILL")]);
    const order = await ended(id);
    expect(order.tasks).toMatchObject([{ attempts: 1, state: OrderTaskState.SUCCEEDED }]);
    expect(JSON.parse(order.tasks[0]?.result ?? "")).toEqual({ found: { answer: "late" } });
  });

  test("one outlives its host's agent in the midst of a large input and a large output", async () => {
    const { uri } = await store.put(large(), { name: "large" });
    const id = await place({ relay: job("Misbehave", { how: "relay" }, { inputs: { reads: uri } }) });
    for (const third of [1 / 3, 2 / 3]) {
      await until("it is in the midst of both", async () => {
        const order = await get(id);
        expect(order.error?.message).toBeUndefined();
        return order.tasks[0]?.progress?.fraction === third;
      });
      await mesh.restart("agent", "SIGKILL");
    }
    const order = await ended(id);
    expect(order.error?.message).toBeUndefined();
    expect(order.tasks).toMatchObject([{ attempts: 1, outputs: [{ name: "relayed", bytes: LARGE }] }]);
    expect(digestOf(order.tasks[0]?.outputs[0]?.uri ?? "")).toBe(digestOf(uri));
  });

  test("an input that is damaged in the store is told by its bytes", async () => {
    const { uri } = await store.put(Buffer.alloc(3 * 2 ** 20, "acgt"), { name: "damaged" });
    damage(uri, 2 ** 20 + 4);
    const id = await place({ copy: job("Copy", {}, { inputs: { reads: uri }, retries: 0 }) });
    const { error, tasks } = await ended(id);
    expect(tasks[0]?.error?.reason).toBe("ARTIFACT_CORRUPT");
    expect(error?.message).toContain(": bytes 1048576 to 2097151 are not what was stored");
  });

  test("one that is cancelled ends on its host, and its output can be followed until then", async () => {
    const id = await place({ sleeper: job("Misbehave", { how: "sleep" }) });
    const following = rouse(["orders", "logs", id, "--follow", "--data", mesh.data]);
    await until("it sleeps", async () =>
      (await rouseOk(["orders", "logs", id, "--data", mesh.data])).includes("sleeps"),
    );
    await rouseOk(["orders", "cancel", id, "--data", mesh.data]);
    expect((await following).stdout).toContain("sleeper#1 sleeps\n");
    await until("nothing is left of it", async () => (await hostJobs()).length === 0);
    await until("its end is told", async () =>
      (await rouseOk(["orders", "logs", id, "--data", mesh.data])).includes("sleeper#1 --- stopped"),
    );
  });

  test("a host that is drained waits for its job, ends it at the deadline, and it is tried again elsewhere", async () => {
    const [{ name: host = "" } = {}] = await readHosts(mesh.registry);
    const isWanted = (mode: string) =>
      until(`the host is ${mode}`, async () => (await readHosts(mesh.registry))[0]?.mode?.mode === mode);
    const id = await place({ sleeper: job("Misbehave", { how: "sleep" }) });
    await until("it sleeps", async () =>
      (await rouseOk(["orders", "logs", id, "--data", mesh.data])).includes("sleeps"),
    );
    const [running] = await hostJobs();
    await until("placement knows what it holds", async () => {
      const { hosts } = await withClient(OrchestratorClient, mesh.control, (client) =>
        unary(client, "getStatus", {}),
      );
      return (hosts[0]?.cpuUsed ?? 0) >= 0.25;
    });
    const drained = rouse(["drain", host, "--reason", "new disk", "--deadline", "2s", "--data", mesh.data]);
    await isWanted("draining");
    const { code, stdout } = await drained;
    expect(stdout).toContain(
      `${host} waits for 1 job to end:\n  job ${running?.id} (${SERVICE}/Misbehave 1.0.0)\n`,
    );
    expect(stdout).toMatch(/has ended; 0 jobs to go\n.* is empty after/);
    expect(code).toBe(0);
    await until("its order waits for a host", async () =>
      ((await get(id)).tasks[0]?.waitsFor ?? "").includes(`${host} is being drained`),
    );
    await rouseOk(["uncordon", host, "--data", mesh.data]);
    await until("it runs again", async () =>
      (await hostJobs()).some((one) => one.id !== running?.id && one.startedAtMs > 0),
    );
    const order = await get(id);
    expect(order.tasks).toMatchObject([{ attempts: 2 }]);
    await rouseOk(["orders", "cancel", id, "--data", mesh.data]);
  });

  test("one that no host is large enough for waits, and says so", async () => {
    const id = await place({ huge: job("Copy", {}, { version: "2.0.0-huge" }) });
    await until("it is told what it waits for", async () => (await get(id)).tasks[0]?.waitsFor !== "");
    expect((await get(id)).tasks[0]?.waitsFor).toMatch(
      /no host fits: .* 500 needed.* add a host with 500 cores/,
    );
    await rouseOk(["orders", "cancel", id, "--data", mesh.data]);
  });

  test("an input that is not there is refused before anything starts", async () => {
    const uri = `artifact:sha256-${"0".repeat(64)}`;
    const { code, stderr } = await rouse([
      "order",
      `${SERVICE}/Copy`,
      "--input",
      `reads=${uri}`,
      "--data",
      mesh.data,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('input "reads" of task "main": ');
    expect(stderr).toContain("ARTIFACT_UNKNOWN");
  });
});
