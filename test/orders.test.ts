import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Order, OrderState, OrdersClient, OrderTaskState } from "#proto/rouse/orders/v1/orders.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

let mesh: TestMesh;
let worker: Probe | undefined;
const folder = mkdtempSync(join(tmpdir(), "workflows-"));

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  worker = await makeProbe({ fixture: "worker" });
  await worker.register(mesh.data);
});
afterAll(async () => {
  await mesh?.close();
  await worker?.remove();
  rmSync(folder, { recursive: true, force: true });
});

const SERVICE = "worker.v1.WorkerService";
const work = (parameters: object, more: object = {}) => ({
  service: SERVICE,
  method: "Work",
  parameters,
  ...more,
});

/** Writes a workflow's file. */
function workflow(tasks: Readonly<Record<string, object>>, more: object = {}): string {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(file, JSON.stringify({ tasks, ...more }));
  return file;
}

async function place(tasks: Readonly<Record<string, object>>, ...args: string[]): Promise<string> {
  return (await rouseOk(["order", "--workflow", workflow(tasks), ...args, "--data", mesh.data])).trim();
}

function ask<T>(work: (client: OrdersClient) => Promise<T>): Promise<T> {
  return withClient(OrdersClient, mesh.orders, work);
}

const get = (id: string) => ask((client) => unary(client, "getOrder", { id }));

async function ended(id: string): Promise<Order> {
  return ask((client) => unary(client, "waitOrder", { id, timeoutMs: 0 }, { deadlineMs: 90_000 }));
}

const stateOf = (order: Order, name: string) => order.tasks.find((task) => task.name === name)?.state;

describe("an order", () => {
  test("of one method is checked, done, and its result told", async () => {
    const order = ["order", `${SERVICE}/Work`, '{"steps": 2, "step_ms": 5}', "--data", mesh.data];
    expect(await rouseOk([...order, "--check"])).toBe("good: 1 tasks; nothing was ordered\n");
    const { result } = JSON.parse(await rouseOk([...order, "--wait", "--name", "one"])) as { result: object };
    expect(result).toMatchObject({ version: "1.0.0", steps: 2, payload: "" });
    const listed = await rouseOk(["orders", "--data", mesh.data]);
    expect(listed).toMatch(/ {2}one +succeeded +1\/1 +5 /);
    const id = listed.split("\n")[1]?.split(" ")[0] ?? "";
    const shown = await rouseOk(["orders", "show", id, "--data", mesh.data]);
    expect(shown).toMatch(/\(one\): succeeded, 100 %, priority 5/);
    expect(shown).toMatch(/^main {2}worker\.v1\.WorkerService\/Work {2}1\.0\.0 +succeeded +1 /m);
    const logs = await rouseOk(["orders", "logs", id, "--data", mesh.data]);
    expect(logs).toBe("main#1 --- attempt 1 of worker.v1.WorkerService/Work 1.0.0\nmain#1 --- succeeded\n");
    expect(JSON.parse(await rouseOk(["orders", "wait", id, "--data", mesh.data]))).toEqual({ result });
  });

  test("of a method that is neither async nor idempotent is done as well", async () => {
    const args = ["order", `${SERVICE}/Quick`, "-f", "steps=1", "--wait", "--data", mesh.data];
    expect(JSON.parse(await rouseOk(args))).toMatchObject({ result: { steps: 1 } });
  });

  test("with the same key is the same, and another one under the key is refused", async () => {
    const tasks = { a: work({ steps: 1 }) };
    const first = await place(tasks, "--key", "once");
    expect(await place(tasks, "--key", "once")).toBe(first);
    const file = workflow({ a: work({ steps: 2 }) });
    const { code, stderr } = await rouse(["order", "--workflow", file, "--key", "once", "--data", mesh.data]);
    expect(code).toBe(1);
    expect(stderr).toContain(`The idempotency key "once" belongs to order ${first}`);
  });
});

describe("a workflow", () => {
  test("runs what it can at once, passes results on, and goes on where it stopped after a crash", async () => {
    const id = await place({
      left: work({ steps: 3 }),
      right: work({ steps: 100, stepMs: 100 }),
      sum: work({ steps: { from: "tasks.left.result.steps" }, bytes: { from: "tasks.right.result.steps" } }),
    });
    await until("both branches have begun, and one is done", async () => {
      const order = await get(id);
      if (stateOf(order, "right") !== OrderTaskState.SUCCEEDED)
        expect(stateOf(order, "sum")).toBe(OrderTaskState.WAITING);
      const progress = order.tasks.find(({ name }) => name === "right")?.progress?.fraction ?? 0;
      return progress > 0 && stateOf(order, "left") === OrderTaskState.SUCCEEDED;
    });
    await mesh.restart("orders", "SIGKILL");
    const order = await ended(id);
    expect(order).toMatchObject({ state: OrderState.SUCCEEDED, progress: 1, tasksSucceeded: 3 });
    // Once each, though orders were killed in between: the call of "right" is the same operation.
    expect(order.tasks.map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
    const sum = JSON.parse(order.tasks[2]?.result ?? "{}") as object;
    expect(sum).toMatchObject({ steps: 3, payload: Buffer.alloc(100).toString("base64") });
    expect(order.used?.wallMs).toBeGreaterThan(0);
  });

  test("whose task fails tells which and why, does the rest, and is taken up again", async () => {
    const id = await place({
      good: work({ steps: 1 }),
      bad: work({ fail: "The sheep are out." }),
      late: work({ steps: 1 }, { after: ["bad"] }),
    });
    const order = await ended(id);
    expect(order).toMatchObject({
      state: OrderState.FAILED,
      error: { reason: "ORDER_FAILED", message: 'Task "bad" failed: The sheep are out.' },
    });
    expect(["good", "bad", "late"].map((name) => stateOf(order, name))).toEqual([
      OrderTaskState.SUCCEEDED,
      OrderTaskState.FAILED,
      OrderTaskState.SKIPPED,
    ]);
    const logs = await rouseOk(["orders", "logs", id, "bad", "--data", mesh.data]);
    expect(logs).toContain("bad#1 --- failed: The sheep are out. (INVALID_ARGUMENT, WORK_REFUSED)\n");
    const said = await rouseOk(["orders", "retry", id, "--data", mesh.data]);
    expect(said).toContain("1 of 3 tasks are done");
    const again = await ended(id);
    expect(again.tasks.map(({ attempts }) => attempts)).toEqual([1, 2, 0]);
  });

  test("that cannot be read fails, and keeps no other from going on", async () => {
    const long = work({ steps: 600, stepMs: 1_000 });
    const id = await place({ long, next: work({ steps: 1 }, { after: ["long"] }) });
    const folder = encodeURIComponent(join(mesh.data, "orders", "postgres"));
    const pool = new Pool({
      connectionString: `postgresql://rouse@localhost:5432/postgres?host=${folder}`,
      options: "-c search_path=rouse_orders",
    });
    try {
      await until("it runs", async () => stateOf(await get(id), "long") === OrderTaskState.RUNNING);
      await pool.query("UPDATE order_tasks SET room = '{' WHERE order_id = $1 AND name = 'next'", [id]);
      await pool.query("UPDATE orders SET name = 'broken' WHERE id = $1", [id]);
    } finally {
      await pool.end();
    }
    const order = await ended(id);
    expect(order).toMatchObject({ state: OrderState.FAILED, error: { reason: "ORDER_UNREADABLE" } });
    expect(stateOf(order, "long")).toBe(OrderTaskState.CANCELLED);
    expect(await rouseOk(["orders", "--data", mesh.data])).toContain(id);
    const other = await place({ main: work({ steps: 1, step_ms: 1 }) });
    expect((await ended(other)).state).toBe(OrderState.SUCCEEDED);
  });

  test("that is cancelled ends what runs of it", async () => {
    const id = await place({
      long: work({ steps: 600, stepMs: 1_000 }),
      after: work({}, { after: ["long"] }),
    });
    await until("it runs", async () => (await get(id)).tasks[0]?.progress !== undefined);
    const following = rouse(["orders", "logs", id, "--follow", "--data", mesh.data]);
    expect(await rouseOk(["orders", "cancel", id, "--reason", "wrong sheep", "--data", mesh.data])).toContain(
      "cancelled",
    );
    expect((await get(id)).tasks.map(({ state }) => state)).toEqual([
      OrderTaskState.CANCELLED,
      OrderTaskState.CANCELLED,
    ]);
    const { stderr } = await rouse(["orders", "wait", id, "--data", mesh.data]);
    expect(stderr).toContain("The order was cancelled: wrong sheep. (CANCELLED, ORDER_CANCELLED)");
    expect((await following).code).toBe(0);
    await until("its call has ended", async () => {
      const operations = await rouseOk(["operations", SERVICE, "--running", "--data", mesh.data]);
      return operations.includes("There are none");
    });
    await until("what became of the attempt is told", async () => {
      const logs = await rouseOk(["orders", "logs", id, "--data", mesh.data]);
      return logs.includes("long#1 --- stopped");
    });
  });
});

describe("refused before anything starts is", () => {
  const refusal = async (tasks: Readonly<Record<string, object>>) => {
    const { code, stderr } = await rouse(["order", "--workflow", workflow(tasks), "--data", mesh.data]);
    expect(code).toBe(1);
    return stderr;
  };

  test("a cyclic workflow, and the cycle is named", async () => {
    const said = await refusal({
      a: work({ steps: { from: "tasks.c.result.steps" } }),
      b: work({}, { after: ["a"] }),
      c: work({}, { after: ["b"] }),
    });
    expect(said).toContain('The workflow goes in a circle: "a" needs "c" needs "b" needs "a".');
    expect(said).toContain("WORKFLOW_CYCLIC");
  });

  test.each([
    [
      { steps: "many" },
      'Task "a": parameters.steps: expected number (uint32), got "many".',
      "PARAMETERS_INVALID",
    ],
    [
      { step: 1 },
      "parameters.step is not in the contract: worker.v1.WorkRequest has steps, ",
      "PARAMETERS_INVALID",
    ],
    [
      { steps: { from: "tasks.z.result" } },
      'names task "z", which the workflow does not have',
      "REFERENCE_INVALID",
    ],
    [{ steps: { from: "tasks.b.result.stps" } }, 'its result has no field "stps"', "REFERENCE_INVALID"],
    [{ steps: { from: "tasks.b.result.version" } }, "wants a number, and", "REFERENCE_INVALID"],
    [{ fail: { from: "tasks.b.outputs.x" } }, "only jobs have outputs", "REFERENCE_INVALID"],
  ])("%j", async (parameters, said, reason) => {
    const stderr = await refusal({ a: work(parameters), b: work({}) });
    expect(stderr).toContain(said);
    expect(stderr).toContain(reason);
  });

  test("an unknown service, method or version, an input of a call, a header of the mesh's own", async () => {
    expect(await refusal({ a: { service: "no.v1.No", method: "X" } })).toContain("SERVICE_UNKNOWN");
    expect(await refusal({ a: { service: SERVICE, method: "Wrok" } })).toContain('has no method "Wrok"');
    expect(await refusal({ a: work({}, { version: "9.0.0" }) })).toContain("VERSION_UNKNOWN");
    expect(await refusal({ a: work({}, { inputs: { x: `artifact:sha256-${"0".repeat(64)}` } }) })).toContain(
      "only jobs have inputs",
    );
    expect(await refusal({ a: work({}, { metadata: { "rouse-version": "1" } }) })).toContain(
      "METADATA_INVALID",
    );
  });

  test("a retry of what has not failed", async () => {
    const id = await place({ a: work({ steps: 1 }) });
    await ended(id);
    const { stderr } = await rouse(["orders", "retry", id, "--data", mesh.data]);
    expect(stderr).toContain("has succeeded: there is nothing to retry");
    const unknown = await rouse(["orders", "show", "nonsense", "--data", mesh.data]);
    expect(unknown.stderr).toContain('There is no order "nonsense"');
  });
});
