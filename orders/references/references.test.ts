import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EntryKind, makeEntry } from "../../sdk/durable/entry.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { OpenArtifacts } from "../artifacts/open.ts";
import { collectDue } from "../artifacts/retention.ts";
import { Artifacts } from "../artifacts/store.ts";
import { gather } from "../artifacts/testing/rig.ts";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { OperationStore } from "../operations/store.ts";
import { anOperation } from "../operations/testing/an-operation.ts";
import { EngineStore } from "../orders/store/engine-store.ts";
import { OrderStore } from "../orders/store/store.ts";
import { anOrder, aTask } from "../orders/testing/an-order.ts";
import { PARTS } from "../parts.ts";
import { RunStore } from "../runs/store.ts";
import { TaskStore } from "../tasks/store.ts";
import { WorkerStore } from "../tasks/workers.ts";

const KEEP_MS = 1_000;
const clock = { ms: Date.now() };
let folder: string;
let database: OrdersDatabase;
let artifacts: Artifacts;
let open: OpenArtifacts;
beforeAll(async () => {
  const log = pino({ level: "silent" });
  folder = await mkdtemp(join(tmpdir(), "rouse-references-"));
  database = await openDatabase({ url: undefined, folder, parts: PARTS, log });
  artifacts = new Artifacts({
    folder,
    keepMs: KEEP_MS,
    pool: async () => database.pool,
    log,
    now: () => clock.ms,
  });
  open = await artifacts.open();
});
afterAll(async () => {
  await artifacts?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

let made = 0;
async function put(): Promise<string> {
  const source = Readable.from([Buffer.from(`content ${made++}`)]);
  return (await artifacts.write(source, { owner: "test" })).uri;
}

/** Whether it is still there when its time is over. */
async function stays(uri: string): Promise<boolean> {
  clock.ms += KEEP_MS + 1;
  await collectDue(open, new Date(clock.ms));
  try {
    await gather(artifacts.read(uri));
    return true;
  } catch (thrown) {
    if (RouseError.from(thrown).reason !== "ARTIFACT_REMOVED") throw thrown;
    return false;
  }
}

/** As a message of a contract has it, among other bytes. */
const message = (uri: string) =>
  Buffer.concat([Buffer.from([10, 0, 255, 92]), Buffer.from(uri), Buffer.from([0])]);

const operation = (request: Buffer, durable: boolean) => anOperation({ request, durable, deadlineMs: 0 });

/** Ends its time to be kept. */
const forget = (table: string, id: string) => database.pool.query(`DELETE FROM ${table} WHERE id = $1`, [id]);

test("what nobody names goes when its time is over", async () => {
  expect(await stays(await put())).toBe(false);
});

test("what the request or the result of an async call names is kept as long as the call", async () => {
  const operations = new OperationStore(database.pool);
  const [asked, answered] = [await put(), await put()];
  const { id } = operation(message(asked), false);
  await operations.insert({ ...operation(message(asked), false), id });
  await operations.succeed(id, message(answered));
  expect(await stays(asked)).toBe(true);
  expect(await stays(answered)).toBe(true);
  await forget("operations", id);
  expect(await stays(asked)).toBe(false);
  expect(await stays(answered)).toBe(false);
});

test("what the journal of a durable run or an answer to it names is kept as long as the run", async () => {
  const runs = new RunStore(database.pool);
  const started = operation(Buffer.alloc(0), true);
  await new OperationStore(database.pool).insert(started);
  const run = started.id;
  const uris = [await put(), await put(), await put()];
  const [step = "", child = "", answer = ""] = uris;
  const done = {
    kind: EntryKind.STEP,
    name: "s",
    done: true,
    value: Buffer.from(JSON.stringify({ uri: step })),
  };
  await runs.append({ run, entry: makeEntry({ ...done, index: 0, order: 1 }) });
  await runs.append({ run, entry: makeEntry({ index: 1, kind: EntryKind.SLEEP, name: "sleep" }) });
  await runs.complete(run, 1, 2, { value: message(child) });
  await runs.giveAnswer(run, "answer", Buffer.from(JSON.stringify(answer)));
  for (const uri of uris) expect(await stays(uri)).toBe(true);
  await forget("operations", run);
  for (const uri of uris) expect(await stays(uri)).toBe(false);
});

test("what is kept for a key is kept with what it names, until it is replaced or forgotten", async () => {
  const runs = new RunStore(database.pool);
  const started = { ...operation(Buffer.alloc(0), true), key: "k" };
  const run = started.id;
  await new OperationStore(database.pool).insert(started);
  const [first, second] = [await put(), await put()];
  const keep = (index: number, uri: string) =>
    runs.append({
      run,
      entry: makeEntry({
        index,
        kind: EntryKind.KEEP,
        name: "n",
        done: true,
        value: Buffer.from(uri),
        order: index + 1,
      }),
    });
  await keep(0, first);
  await keep(1, second);
  await forget("operations", run);
  expect(await stays(second)).toBe(true);
  await runs.forgetKept("a.v1.A", "k", "n");
  expect(await stays(first)).toBe(false);
  expect(await stays(second)).toBe(false);
});

test("what a task brings, keeps or answers is kept as long as the task", async () => {
  const tasks = new TaskStore(database.pool);
  const workers = new WorkerStore(database.pool);
  const uris = [await put(), await put(), await put()];
  const [payload = "", kept = "", result = ""] = uris;
  const order = {
    queue: "q",
    payload: message(payload),
    priority: 0,
    retries: 0,
    mostLosses: 5,
    keepMs: 60_000,
  };
  const { id: task } = await tasks.submit(order, "", "");
  const worker = "w";
  await workers.hello({ worker, queue: "q", name: "", room: 1, leaseMs: 600_000, resumes: false }, "s");
  await workers.dispatch();
  await workers.report([
    { task, worker, assignment: 1, kind: "begin" },
    { task, worker, assignment: 1, kind: "sleep", forMs: 0, kept: message(kept) },
  ]);
  await tasks.wakeSleepers();
  await workers.dispatch();
  await workers.report([{ task, worker, assignment: 2, kind: "finish", result: message(result) }]);
  expect(await tasks.get(task)).toMatchObject({ state: "done_calculating" });
  for (const uri of uris) expect(await stays(uri)).toBe(true);
  await forget("tasks", task);
  for (const uri of uris) expect(await stays(uri)).toBe(false);
});

test("what an order that waits for its turn names is kept as long as the order", async () => {
  const uris = [await put(), await put(), await put(), await put()];
  const [parameter, second, ofTask = "", ofOrder = ""] = uris;
  const parameters = JSON.stringify({ reads: [parameter, `${second}?name=b`] });
  const made = anOrder({
    tasks: [aTask({ parameters, metadata: { sample: ofTask } })],
    metadata: { study: ofOrder },
  });
  await new OrderStore(database.pool).insert(made);
  for (const uri of uris) expect(await stays(uri)).toBe(true);
  await forget("orders", made.id);
  for (const uri of uris) expect(await stays(uri)).toBe(false);
});

test("what a call of an order has answered is kept as long as the order, though the call is forgotten before", async () => {
  const [answered, noted] = [await put(), await put()];
  const made = anOrder();
  await new OrderStore(database.pool).insert(made);
  const engine = new EngineStore(database.pool);
  const operations = new OperationStore(database.pool);
  const call = operation(Buffer.alloc(0), false);
  await engine.begin(made.id, "main", undefined);
  await operations.insert(call);
  await operations.succeed(call.id, message(answered));
  const key = { orderId: made.id, task: "main", attempt: 1 };
  const result = JSON.stringify({ alignment: answered });
  expect(await engine.succeed(key, { result, outputs: [], said: { noted } })).toBe(true);
  await forget("operations", call.id);
  expect(await stays(answered)).toBe(true);
  expect(await stays(noted)).toBe(true);
  await forget("orders", made.id);
  expect(await stays(answered)).toBe(false);
  expect(await stays(noted)).toBe(false);
});

test("what is no artifact's name, or one of an artifact that never was, hinders nothing", async () => {
  const never = `artifact:sha256-${"0".repeat(64)}`;
  const operations = new OperationStore(database.pool);
  for (const text of [never, "artifact:sha256-", "artifact:sha256-xyz", `artifact:sha256-${"F".repeat(64)}`])
    await operations.insert(operation(message(text), false));
  await new OrderStore(database.pool).insert(
    anOrder({ tasks: [aTask({ parameters: JSON.stringify({ never }) })] }),
  );
});

test("an operation whose time is over goes, with its journal, its answers and what it names; others stay", async () => {
  const operations = new OperationStore(database.pool);
  const runs = new RunStore(database.pool);
  const [step, answer, result] = [await put(), await put(), await put()];
  const make = async (keepMs: number) => {
    const { id } = await operations.insert({ ...operation(Buffer.alloc(0), true), keepMs });
    const value = Buffer.from(step);
    await runs.append({
      run: id,
      entry: makeEntry({ kind: EntryKind.STEP, name: "s", done: true, value, index: 0, order: 1 }),
    });
    await runs.giveAnswer(id, "answer", Buffer.from(answer));
    return id;
  };
  const [over, open, later] = [await make(1), await make(1), await make(3_600_000)];
  await operations.succeed(over, message(result));
  await operations.succeed(later, Buffer.alloc(0));
  const rowsOf = async (id: string) => {
    const count = async (table: string, column: string) =>
      (await database.pool.query(`SELECT FROM ${table} WHERE ${column} = $1`, [id])).rowCount ?? 0;
    return {
      operations: await count("operations", "id"),
      runs: await count("runs", "id"),
      entries: await count("run_entries", "run"),
      answers: await count("run_answers", "run"),
      uses: await count("artifact_uses", "owner"),
    };
  };
  const whole = { operations: 1, runs: 1, entries: 1, answers: 1 };
  expect(await rowsOf(over)).toEqual({ ...whole, uses: 3 });
  await expect
    .poll(
      async () => {
        await operations.expire();
        return rowsOf(over);
      },
      { timeout: 60_000 },
    )
    .toEqual({ operations: 0, runs: 0, entries: 0, answers: 0, uses: 0 });
  expect(await operations.get(over)).toBeUndefined();
  for (const id of [open, later]) expect(await rowsOf(id)).toEqual({ ...whole, uses: 2 });
  expect(await stays(result)).toBe(false);
  expect(await stays(step)).toBe(true);
});
