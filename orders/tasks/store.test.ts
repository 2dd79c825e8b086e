import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { tasksPart } from "./part.ts";
import type { TaskOrder } from "./settings.ts";
import { TaskStore } from "./store.ts";
import { WorkerStore, type WorkReport } from "./workers.ts";

const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "rouse-tasks-"));
let database: OrdersDatabase;
let tasks: TaskStore;
let workers: WorkerStore;
beforeAll(async () => {
  database = await openDatabase({ url: undefined, folder, parts: [tasksPart], log });
  tasks = new TaskStore(database.pool);
  workers = new WorkerStore(database.pool);
});
afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A queue of its own, so that tests do not take each other's tasks. */
function newQueue() {
  const queue = randomUUID();
  const order = (of: Partial<TaskOrder> = {}): TaskOrder => ({
    queue,
    payload: Buffer.from("wool"),
    priority: 0,
    retries: 0,
    mostLosses: 5,
    keepMs: 60_000,
    ...of,
  });
  return {
    order,
    submit: async (of: Partial<TaskOrder> = {}) => (await tasks.submit(order(of), "", "")).id,
    async join(room = 1, leaseMs = 600_000) {
      const worker = randomUUID();
      await workers.hello({ worker, queue, name: "", room, leaseMs, resumes: false }, "session");
      return worker;
    },
  };
}

type Said = WorkReport extends infer Each
  ? Each extends WorkReport
    ? Omit<Each, "task" | "worker" | "assignment">
    : never
  : never;

const done: Said = { kind: "finish", result: Buffer.from("scarf") };

/** The worker says something of a task that it was given. */
async function say(worker: string, task: string, said: Said, assignment = 1) {
  const [outcome] = await workers.report([{ ...said, task, worker, assignment } as WorkReport]);
  return outcome;
}

async function holds(worker: string): Promise<string[]> {
  return (await workers.given(worker, [])).map(({ id }) => id);
}

/** The lease ends as if its time were over. */
async function lose(worker: string) {
  await database.pool.query(
    "UPDATE task_workers SET lease_until = clock_timestamp() - interval '1 s' WHERE id = $1",
    [worker],
  );
  await workers.endLeases();
}

async function kinds(task: string) {
  return (await tasks.changes(task)).map(({ kind }) => kind);
}

describe("a task in the database", () => {
  test("is given out, begun, done, and collected by one", async () => {
    const queue = newQueue();
    const worker = await queue.join();
    const id = await queue.submit();
    await workers.dispatch();
    expect(await workers.given(worker, [])).toMatchObject([
      { id, assignment: 1, turn: 1, payload: Buffer.from("wool") },
    ]);
    expect(await say(worker, id, { kind: "begin" })).toMatchObject({ accepted: true });
    expect(await tasks.get(id)).toMatchObject({ state: "working", revision: 3, ended_at: null });
    expect(await say(worker, id, done)).toMatchObject({ accepted: true });
    expect(await say(worker, id, done)).toMatchObject({ accepted: true });
    expect(await tasks.collect(id, "me")).toMatchObject({ state: "collected", result: Buffer.from("scarf") });
    expect(await tasks.collect(id, "me")).toMatchObject({ state: "collected" });
    await expect(tasks.collect(id, "you")).rejects.toMatchObject({
      reason: "TASK_COLLECTED",
      message: `Task ${id} was collected by me, and an outcome is handed over once. Reading it stays possible.`,
    });
    expect(await kinds(id)).toEqual(["submit", "assign", "begin", "finish", "collect"]);
  });

  test("goes round robin to those with room, the most urgent first", async () => {
    const queue = newQueue();
    const first = await queue.join(2);
    const second = await queue.join(1);
    const ids = [
      await queue.submit(),
      await queue.submit(),
      await queue.submit(),
      await queue.submit({ priority: 9 }),
    ];
    await workers.dispatch();
    const given = [...(await holds(first)), ...(await holds(second))];
    expect(new Set(given)).toEqual(new Set([ids[3], ids[0], ids[1]]));
    expect(await tasks.get(ids[2] ?? "")).toMatchObject({ state: "unassigned" });
    await say(second, (await holds(second))[0] ?? "", done);
    await workers.dispatch();
    expect(await holds(second)).toEqual([ids[2]]);
  });

  test("is given once to many dispatchers at the same time", async () => {
    const queue = newQueue();
    const hands = await Promise.all([queue.join(7), queue.join(7), queue.join(7)]);
    const ids = await Promise.all(Array.from({ length: 20 }, () => queue.submit()));
    await Promise.all(Array.from({ length: 6 }, () => workers.dispatch()));
    const given = (await Promise.all(hands.map(holds))).flat();
    expect(given.toSorted()).toEqual(ids.toSorted());
    for (const id of ids) expect(await tasks.get(id)).toMatchObject({ assignment: 1 });
  });

  test("of a lost worker is given to another, and the former one is told", async () => {
    const queue = newQueue();
    const former = await queue.join();
    const id = await queue.submit();
    await workers.dispatch();
    await lose(former);
    expect(await say(former, id, done)).toMatchObject({
      accepted: false,
      error: {
        reason: "TASK_LEASE_ENDED",
        message: expect.stringMatching(
          /ended at .*, as its heartbeat stayed away; it waits for another worker\. What/,
        ),
      },
    });
    const next = await queue.join();
    await workers.dispatch();
    const outcome = await say(former, id, done);
    expect(outcome).toMatchObject({
      accepted: false,
      error: { message: expect.stringContaining(`given to worker ${next}`) },
    });
    expect(await workers.heartbeat(former, "session")).toBe(false);
    await expect(
      workers.hello(
        { worker: former, queue: "x", name: "", room: 1, leaseMs: 1_000, resumes: true },
        "session",
      ),
    ).rejects.toMatchObject({ reason: "TASK_WORKER_ENDED" });
    expect(await say(next, id, done, 2)).toMatchObject({ accepted: true });
    expect(await kinds(id)).toEqual(["submit", "assign", "lose", "assign", "finish"]);
  });

  test("with which too many workers were lost has failed", async () => {
    const queue = newQueue();
    const id = await queue.submit({ mostLosses: 2 });
    for (let time = 0; time < 2; time++) {
      const worker = await queue.join();
      await workers.dispatch();
      await lose(worker);
    }
    const { state, error } = await tasks.get(id);
    expect(state).toBe("failed");
    expect(error).toMatchObject({
      reason: "TASK_WORKERS_LOST",
      message: expect.stringContaining("2 workers were lost with it"),
    });
  });

  test("that is given back by a worker that leaves counts no loss", async () => {
    const queue = newQueue();
    const worker = await queue.join();
    const id = await queue.submit();
    await workers.dispatch();
    await workers.leave(worker, true);
    expect(await tasks.get(id)).toMatchObject({ state: "unassigned", losses: 0 });
  });

  test("has one history per key", async () => {
    const queue = newQueue();
    const made = await Promise.all(Array.from({ length: 8 }, () => tasks.submit(queue.order(), "key", "")));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    await expect(tasks.submit(queue.order({ priority: 1 }), "key", "")).rejects.toMatchObject({
      status: "ALREADY_EXISTS",
      reason: "TASK_KEY_REUSED",
      message: expect.stringContaining(`belongs to task ${made[0]?.id}`),
    });
  });

  test("sleeps without a worker, and keeps what its next turn needs", async () => {
    const queue = newQueue();
    const worker = await queue.join();
    const id = await queue.submit();
    await workers.dispatch();
    await say(worker, id, { kind: "sleep", forMs: 3_600_000, kept: Buffer.from("half") });
    expect(await holds(worker)).toEqual([]);
    expect(await tasks.wakeSleepers()).toBeLessThanOrEqual(3_600_000);
    expect(await tasks.get(id)).toMatchObject({ state: "sleeping" });
    await tasks.wake(id, 0);
    await workers.dispatch();
    expect(await workers.given(worker, [])).toMatchObject([{ id, turn: 2, kept: Buffer.from("half") }]);
  });

  test("is tried again after its handler failed", async () => {
    const queue = newQueue();
    const worker = await queue.join();
    const id = await queue.submit({ retries: 1 });
    const error = { code: 13, message: "The sheep are out.", reason: "SHEEP_OUT", metadata: {} } as const;
    await workers.dispatch();
    await say(worker, id, { kind: "fail", error });
    expect(await tasks.get(id)).toMatchObject({ state: "sleeping", failures: 1, error });
    await expect
      .poll(
        async () => {
          await tasks.wakeSleepers();
          return (await tasks.get(id)).state;
        },
        { timeout: 60_000 },
      )
      .toBe("unassigned");
    await workers.dispatch();
    await say(worker, id, { kind: "fail", error }, 2);
    expect(await tasks.get(id)).toMatchObject({ state: "failed", error });
  });
});

describe("subtasks", () => {
  test("wake their parent when the last is collected", async () => {
    const queue = newQueue();
    const worker = await queue.join(5);
    const id = await queue.submit();
    await workers.dispatch();
    await say(worker, id, {
      kind: "split",
      subtasks: [queue.order(), queue.order()],
      kept: Buffer.from("two"),
    });
    await workers.dispatch();
    const [one = "", two = ""] = await holds(worker);
    await say(worker, one, done);
    await tasks.collectSubtasks(await tasks.uncollected());
    expect(await tasks.get(id)).toMatchObject({ state: "wait_for_subtasks", pending: 1 });
    expect(await tasks.get(one)).toMatchObject({ state: "collected", collected_by: `task:${id}` });
    await expect(tasks.collect(one, "me")).rejects.toMatchObject({ reason: "TASK_OF_PARENT" });
    const error = { code: 5, message: "No wool.", reason: "NO_WOOL", metadata: {} } as const;
    await say(worker, two, { kind: "fail", error });
    await Promise.all(Array.from({ length: 5 }, () => tasks.collectSubtasks([id])));
    expect(await tasks.get(id)).toMatchObject({ state: "unassigned", pending: 0, turn: 2 });
    expect(await tasks.get(two)).toMatchObject({ state: "failed", collected_by: `task:${id}` });
    const page = await tasks.subtasks(id, {
      turn: 1,
      brief: false,
      after: { turn: 0, position: -1 },
      limit: 10,
    });
    expect(page.map(({ row }) => [row.position, row.state])).toEqual([
      [0, "collected"],
      [1, "failed"],
    ]);
    expect(await kinds(id)).toEqual(["submit", "assign", "split", "subtask", "subtask"]);
  });

  test("of a cancelled task are cancelled, and their workers are told", async () => {
    const queue = newQueue();
    const worker = await queue.join(5);
    const id = await queue.submit();
    await workers.dispatch();
    await say(worker, id, { kind: "split", subtasks: [queue.order(), queue.order()], kept: Buffer.alloc(0) });
    await workers.dispatch();
    const [one = ""] = await holds(worker);
    expect(await tasks.cancel(id, "no more wool", 0)).toMatchObject({ state: "cancelled" });
    expect(await holds(worker)).toEqual([]);
    expect(await say(worker, one, done)).toMatchObject({
      accepted: false,
      error: {
        status: "CANCELLED",
        reason: "TASK_CANCELLED",
        message: expect.stringContaining("The task was cancelled: no more wool."),
      },
    });
  });
});

describe("a conflict is told to the loser", () => {
  test("with what has changed", async () => {
    const queue = newQueue();
    const worker = await queue.join();
    const id = await queue.submit();
    await workers.dispatch();
    await expect(tasks.cancel(id, "", 1)).rejects.toMatchObject({
      status: "ABORTED",
      reason: "TASK_CHANGED",
      message: expect.stringMatching(
        new RegExp(
          `is at revision 2 \\(assigned\\), not 1: since then: 2: assign by ${worker} → assigned at .*Nothing is changed`,
        ),
      ),
    });
    await expect(tasks.cancel(id, "", 7)).rejects.toMatchObject({
      message: expect.stringContaining("it never had that one"),
    });
    await say(worker, id, done);
    await expect(tasks.cancel(id, "", 0)).rejects.toMatchObject({
      reason: "TASK_OVER",
      message: `Task ${id} has ended (done_calculating) and stays as it is. Submit another one if it is needed.`,
    });
  });

  test("when two collect, or two cancel and finish at once", async () => {
    const queue = newQueue();
    const worker = await queue.join(50);
    const ids = await Promise.all(Array.from({ length: 20 }, () => queue.submit()));
    await workers.dispatch();
    const settled = await Promise.all(
      ids.map((id) => Promise.allSettled([tasks.cancel(id, "", 0), say(worker, id, done)])),
    );
    for (const [at, [cancel, finish]] of settled.entries()) {
      const { state } = await tasks.get(ids[at] ?? "");
      expect(finish).toMatchObject({ value: { accepted: state === "done_calculating" } });
      expect(cancel?.status).toBe(state === "cancelled" ? "fulfilled" : "rejected");
    }
    const collected = await Promise.all(
      ids.map((id) => Promise.allSettled(["a", "b", "c"].map((by) => tasks.collect(id, by)))),
    );
    for (const each of collected) expect(each.filter(({ status }) => status === "fulfilled").length).toBe(1);
  });
});

describe("what is not there", () => {
  test.each(["nonsense", randomUUID()])("is said of %s", async (id) => {
    await expect(tasks.get(id)).rejects.toMatchObject({
      status: "NOT_FOUND",
      reason: "TASK_UNKNOWN",
      message: `There is no task "${id}": it never was, or its time is over. "rouse tasks" lists those there are.`,
    });
  });

  test("is said of a task that was never given to the worker, was not ended or does not sleep", async () => {
    const queue = newQueue();
    const id = await queue.submit();
    expect(await say("stranger", id, done)).toMatchObject({
      accepted: false,
      error: {
        reason: "TASK_NOT_HELD",
        message: expect.stringContaining("was not given to worker stranger"),
      },
    });
    await expect(tasks.collect(id, "me")).rejects.toMatchObject({
      reason: "TASK_NOT_ENDED",
      message: `Task ${id} is unassigned and has no outcome yet. Watch it until it has ended.`,
    });
    await expect(tasks.wake(id, 0)).rejects.toMatchObject({
      reason: "TASK_NOT_SLEEPING",
      message: `Task ${id} is unassigned; only a sleeping one can be woken.`,
    });
  });
});

test("what is over long enough is forgotten, with all below it", async () => {
  const queue = newQueue();
  const worker = await queue.join();
  const id = await queue.submit();
  await workers.dispatch();
  await say(worker, id, done);
  await database.pool.query("UPDATE tasks SET ended_at = ended_at - interval '2 min' WHERE id = $1", [id]);
  expect(await tasks.expire()).toBe(1);
  await expect(tasks.get(id)).rejects.toMatchObject({ reason: "TASK_UNKNOWN" });
});
