import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TasksClient } from "#proto/rouse/orders/v1/tasks.ts";
import { withClient } from "../cli/connect.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import {
  submitTask,
  subtask,
  type TaskQueue,
  type TaskWorker,
  task,
  taskQueue,
  taskWorker,
  type WorkerOptions,
} from "../sdk/tasks/index.ts";
import { flocks, woolOf } from "./fixtures/task-worker.ts";
import { createWorkerServiceClient } from "./fixtures/worker/gen/worker/v1/worker.client.ts";
import { WorkerServiceDefinition } from "./fixtures/worker/gen/worker/v1/worker.definition.ts";
import { postmasterPid } from "./support/host.ts";
import { until, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe } from "./support/probe.ts";
import { seededRandom } from "./support/random.ts";
import { root, rouse, rouseOk } from "./support/rouse.ts";

let mesh: TestMesh;
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
});
afterAll(async () => {
  await mesh?.close();
});

const open: TaskWorker[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((worker) => worker.close(0)));
});

function work<Payload, Result>(queue: TaskQueue<Payload, Result>, options: WorkerOptions<Payload, Result>) {
  const worker = taskWorker(queue, { target: mesh.mesh, ...options });
  open.push(worker);
  return worker;
}

const submit = <Payload, Result>(queue: TaskQueue<Payload, Result>, payload: Payload, of: object = {}) =>
  submitTask(queue, payload, { target: mesh.mesh, ...of });

async function kinds(id: string) {
  const { changes } = await withClient(TasksClient, mesh.orders, (client) =>
    unary(client, "listTaskChanges", { id, after: 0 }),
  );
  return changes.map(({ kind }) => kind);
}

describe("a task", () => {
  test("waits for a worker, tells its progress, and is collected once", async () => {
    const queue = taskQueue<{ sheep: number }, string>("shear");
    const made = await submit(queue, { sheep: 3 });
    expect(await made.get()).toMatchObject({ state: "unassigned" });
    const seen: unknown[] = [];
    const watched = (async () => {
      for await (const { state, progress } of made.watch()) seen.push(progress?.note ?? state);
    })();
    const go = Promise.withResolvers<void>();
    work(queue, {
      async handle({ sheep }, { progress }) {
        progress(0.5, "half");
        await go.promise;
        return `wool of ${sheep}`;
      },
    });
    await until("its progress is seen", async () => seen.includes("half"));
    go.resolve();
    await watched;
    const again = task(queue, made.id, { target: mesh.mesh });
    expect(await again.result()).toBe("wool of 3");
    const outcomes = await Promise.allSettled(
      ["a", "b", "c"].map((collector) => again.collect({ collector })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toEqual([
      { status: "fulfilled", value: "wool of 3" },
    ]);
    expect(await kinds(made.id)).toEqual(["submit", "assign", "begin", "finish", "collect"]);
  });

  test("brings and answers what a contract says", async () => {
    const queue = taskQueue(WorkerServiceDefinition.methods.work);
    work(queue, {
      handle: ({ steps }, { id }) => ({
        version: "",
        steps,
        instance: "",
        operation: id,
        payload: Buffer.from("wool"),
      }),
    });
    const made = await submit(queue, { steps: 7, stepMs: 0, fail: "", bytes: 0 });
    expect(await made.result()).toMatchObject({ steps: 7, operation: made.id });
  });

  test("is split, sleeps, and goes on where it was", async () => {
    const queue = taskQueue<number, number>("sum");
    work(queue, {
      room: 3,
      async handle(depth, task) {
        if (depth === 0) return 1;
        if (task.turn === 1) return task.split([subtask(queue, depth - 1), subtask(queue, depth - 1)]);
        if (task.turn === 2) return task.sleep(1, await task.results(queue));
        return (task.kept as number[]).reduce((sum, of) => sum + of, 1);
      },
    });
    const made = await submit(queue, 3);
    expect(await made.result()).toBe(15);
    // Both may have been collected at once.
    expect((await kinds(made.id)).join(" ").replace("subtask subtask", "subtask")).toBe(
      "submit assign begin split subtask assign begin sleep wake assign begin finish",
    );
    const shown = await rouseOk(["tasks", "show", made.id, "--data", mesh.data]);
    expect(shown.match(/collected/g)?.length).toBeGreaterThanOrEqual(14);
    expect(shown).toContain("│  │  └─ ");
  });

  test("fails as its handler does, or as its subtask did", async () => {
    const queue = taskQueue<string, string>("fail");
    work(queue, {
      room: 2,
      async handle(what, task) {
        if (what === "bad") throw new RouseError("NOT_FOUND", "No wool.", { reason: "NO_WOOL" });
        if (task.turn === 1) return task.split([subtask(queue, "bad")]);
        return (await task.results(queue)).join();
      },
    });
    for (const what of ["bad", "below"]) {
      const made = await submit(queue, what);
      await expect(made.result()).rejects.toMatchObject({
        status: "NOT_FOUND",
        reason: "NO_WOOL",
        message: "No wool.",
      });
    }
  });

  test("whose answer is too large fails with what to do, and the rest goes on", async () => {
    const queue = taskQueue<number, string>("large");
    work(queue, { handle: (bytes) => "x".repeat(bytes) });
    const made = await submit(queue, 5 * 2 ** 20);
    await expect(made.result()).rejects.toMatchObject({
      reason: "TASK_TOO_LARGE",
      message:
        "The task's result has 5.0 MiB; 4 MiB are the most. Keep it as an artifact, and pass on its URI.",
    });
    expect(await (await submit(queue, 1)).result()).toBe("x");
  });

  test("that is cancelled stops its worker, and tells why", async () => {
    const queue = taskQueue<number, number>("cancel");
    const stopped = Promise.withResolvers<unknown>();
    work(queue, {
      onLost: () => undefined,
      handle: (_, { signal }) =>
        new Promise<number>(() => signal.addEventListener("abort", () => stopped.resolve(signal.reason))),
    });
    const made = await submit(queue, 1);
    await until("it works", async () => (await made.get()).state === "working");
    const { revision } = await made.get();
    await expect(made.cancel("", { revision: revision - 1 })).rejects.toMatchObject({
      reason: "TASK_CHANGED",
      message: expect.stringContaining(`not ${revision - 1}: since then: ${revision}: begin`),
    });
    await made.cancel("nobody needs it", { revision });
    expect(await stopped.promise).toMatchObject({ reason: "TASK_CANCELLED" });
    await expect(made.result()).rejects.toMatchObject({
      reason: "TASK_CANCELLED",
      message: "The task was cancelled: nobody needs it.",
    });
  });

  test("of a worker that closes is given to another", async () => {
    const queue = taskQueue<number, string>("close");
    const first = work(queue, { handle: () => new Promise<string>(() => undefined) });
    const made = await submit(queue, 1);
    await until("it works", async () => (await made.get()).state === "working");
    await first.close(0);
    work(queue, { handle: () => "second" });
    expect(await made.result()).toBe("second");
    expect(await made.get()).toMatchObject({ losses: 0, assignment: 2 });
  });
});

test("a service is not idle while it works on a task", async () => {
  const service = await makeProbe({ fixture: "worker", idleTimeout: "1s" });
  try {
    await service.register(mesh.data);
    const queue = taskQueue<number, string>("naps");
    const made = await submit(queue, 6_000);
    using client = createWorkerServiceClient({ target: mesh.edge });
    await until("its worker has the task", async () => {
      await client.quick({ steps: 0, stepMs: 0, fail: "", bytes: 0 });
      return (await made.get()).state !== "unassigned";
    });
    const instance = await made.result();
    expect(await made.get()).toMatchObject({ assignment: 1, losses: 0 });
    expect(instance).not.toBe("");
    await untilCold(mesh, "worker.v1.WorkerService");
    // Who is stopped gives back what it has, which is no loss.
    const long = await submit(queue, 3_600_000);
    await until("its worker has the task", async () => {
      await client.quick({ steps: 0, stepMs: 0, fail: "", bytes: 0 });
      return (await long.get()).state === "working";
    });
    await rouseOk(["stop", "worker.v1.WorkerService", "1.0.0", "--reason", "a test", "--data", mesh.data]);
    await until("it was given back", async () => (await long.get()).state === "unassigned");
    expect(await kinds(long.id)).toEqual(["submit", "assign", "begin", "release"]);
  } finally {
    await service.remove();
  }
});

describe("by command", () => {
  test("tasks are submitted, listed, awaited, woken and cancelled", async () => {
    const queue = taskQueue<{ n: number }, number>("cli");
    const { stdout } = await rouse(["tasks", "submit", "cli", '{"n": 2}', "--key", "k", "--data", mesh.data]);
    const id = stdout.trim();
    const second = await rouseOk(["tasks", "submit", "cli", '{"n": 2}', "--key", "k", "--data", mesh.data]);
    expect(second.trim()).toBe(id);
    expect(await rouseOk(["tasks", "cli", "--data", mesh.data])).toMatch(
      new RegExp(`${id}  cli    unassigned`),
    );
    work(queue, { handle: ({ n }, task) => (task.turn === 1 ? task.sleep(3_600_000) : n * n) });
    await until(
      "it sleeps",
      async () => (await task(queue, id, { target: mesh.mesh }).get()).state === "sleeping",
    );
    expect(await rouseOk(["tasks", "workers", "cli", "--data", mesh.data])).toMatch(/cli +0 of 1/);
    await rouseOk(["tasks", "wake", id, "--data", mesh.data]);
    expect((await rouseOk(["tasks", "wait", id, "--data", mesh.data])).trim()).toBe("4");
    const other = await submit(queue, { n: 3 });
    await until("it sleeps", async () => (await other.get()).state === "sleeping");
    expect(await rouseOk(["tasks", "cancel", other.id, "--reason", "no", "--data", mesh.data])).toContain(
      "cancelled",
    );
    const { stderr } = await rouse(["tasks", "wait", other.id, "--data", mesh.data]);
    expect(stderr).toContain("The task was cancelled: no.");
  });

  test("what is wrong is said", async () => {
    const fails = async (...args: string[]) => (await rouse(["tasks", ...args, "--data", mesh.data])).stderr;
    expect(await fails("show", "nonsense")).toContain('There is no task "nonsense"');
    expect(await fails("--state", "lost")).toContain('"lost" is no state: give one of unassigned, assigned');
    expect(await fails("submit", "q", "{")).toContain("The payload is not JSON");
    expect(await fails("submit", "two words", "{}")).toContain('"two words" is no name of a queue');
  });
});

test("through the edge no task is given, taken or collected", async () => {
  const queue = taskQueue<number, number>("edge");
  const refused = { status: "PERMISSION_DENIED", reason: "TASKS_INSIDE_ONLY" };
  await expect(submitTask(queue, 1, { target: mesh.edge })).rejects.toMatchObject(refused);
  const worker = taskWorker(queue, { target: mesh.edge, handle: () => 1 });
  await expect(worker.closed).rejects.toMatchObject(refused);
});

function told(reason: unknown): string {
  const error = RouseError.from(reason);
  return error.reason === "TASK_COLLECTED" ? error.reason : error.message;
}

/** How many, of which a tenth are parents of the others. */
const TASKS = Number(process.env.ROUSE_FAULT_TASKS ?? 1_000);
const KILLS = Number(process.env.ROUSE_FAULT_KILLS ?? 12);
const WORKERS = 4;
const random = seededRandom();

test(
  `of ${TASKS} tasks each ends once with the right result, whoever is killed`,
  {
    timeout: 600_000,
  },
  () => random.told(endsOnce),
);

async function endsOnce() {
  const queue = flocks("faults");
  const workers: ChildProcess[] = [];
  const start = () => {
    const worker = spawn(join(root, "node_modules/.bin/node"), [join(root, "test/fixtures/task-worker.ts")], {
      env: { ...process.env, TARGET: mesh.mesh, QUEUE: queue.name },
      stdio: ["ignore", "inherit", "inherit"],
    });
    workers.push(worker);
  };
  const victims: (() => void)[] = [
    () => {
      workers.splice(random.within(0, workers.length - 1), 1)[0]?.kill("SIGKILL");
      start();
    },
    () => mesh.kill("orders", "SIGKILL"),
    () => {
      const pid = postmasterPid(mesh.data);
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    },
  ];
  const pool = new Pool({
    connectionString: `postgresql://rouse@localhost:5432/postgres?host=${encodeURIComponent(join(mesh.data, "orders/postgres"))}`,
    options: "-c search_path=rouse_orders",
    max: 2,
  });
  pool.on("error", () => undefined);
  try {
    for (let at = 0; at < WORKERS; at++) start();
    const parents = await Promise.all(
      Array.from({ length: TASKS / 10 }, () => submit(queue, { sheep: 9 }, { mostLosses: 1_000 })),
    );
    let killing = true;
    const kills = (async () => {
      for (const kill of random.turns(victims, KILLS)) {
        if (!killing) break;
        await sleep(random.within(0, 1_000));
        try {
          kill();
        } catch {
          // It was dead already.
        }
      }
    })();
    // Two want each of them, and are told by an outcome or an error which one has it.
    const collected = await Promise.all(
      parents.map(async ({ id }) => {
        const one = task(queue, id, { target: mesh.mesh });
        const settled = await Promise.allSettled([
          one.collect({ collector: "a" }),
          one.collect({ collector: "b" }),
        ]);
        return settled.map((each) => (each.status === "fulfilled" ? each.value : told(each.reason)));
      }),
    );
    killing = false;
    await kills;
    for (const both of collected) expect(new Set(both)).toEqual(new Set([woolOf(9), "TASK_COLLECTED"]));
    const count = async (what: string) => {
      const { rows } = await pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM tasks WHERE queue = 'faults' AND ${what}`,
      );
      return rows[0]?.n;
    };
    await until("the database is back", () =>
      count("true").then(
        (n) => n !== undefined,
        () => false,
      ),
    );
    const times = (kind: string) =>
      `(SELECT count(*) FROM task_changes WHERE task = tasks.id AND task_changes.kind = '${kind}')`;
    expect(await count("true")).toBe(TASKS);
    expect(await count(`state = 'collected' AND ${times("finish")} = 1 AND ${times("collect")} = 1`)).toBe(
      TASKS,
    );
    // Whoever lost one was followed by exactly one other.
    expect(await count(`assignment = ${times("assign")}`)).toBe(TASKS);
    const { rows: twice } = await pool.query(
      `SELECT task, assignment FROM task_changes WHERE kind IN ('finish', 'fail', 'split', 'sleep', 'lose', 'release')
       GROUP BY task, assignment HAVING count(*) > 1`,
    );
    expect(twice).toEqual([]);
  } finally {
    for (const worker of workers) worker.kill("SIGKILL");
    await Promise.all(workers.map((worker) => worker.exitCode ?? worker.signalCode ?? once(worker, "exit")));
    await pool.end();
  }
}
