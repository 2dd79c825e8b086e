import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../../sdk/errors.ts";
import { Changes } from "../database/changes.ts";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { PARTS } from "../parts.ts";
import { LocalRuns } from "../runs/local-runs.ts";
import { MemoryDeaths } from "./memory-deaths.ts";
import { CALLS_CHANNEL, type MakeCall, Runner } from "./runner.ts";
import { OperationStore } from "./store.ts";
import { anOperation } from "./testing/an-operation.ts";

const log = pino({ level: "silent" });
const patience = { timeout: 60_000, interval: 20 };
let folder: string;
let database: OrdersDatabase;
let changes: Changes;
let store: OperationStore;
const local = new LocalRuns();
const stop = new AbortController();
let running: Promise<void>;
/** How often each call was made. */
const made = new Map<string, number>();
/** Calls by the first word of their request. */
const calls: Record<string, MakeCall> = {
  async answer({ request }) {
    return Buffer.from(request.toString().slice("answer ".length));
  },
  async refuse() {
    throw new RouseError("OUT_OF_RANGE", "There are no more.", { reason: "NO_MORE" });
  },
  large: async () => Buffer.alloc(1_000_000, 7),
  wait: ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-runner-"));
  database = await openDatabase({ url: undefined, folder, parts: PARTS, log });
  changes = new Changes(database.url, [CALLS_CHANNEL], log);
  await changes.start();
  store = new OperationStore(database.pool);
  const call: MakeCall = (asked) => {
    made.set(asked.operation.id, (made.get(asked.operation.id) ?? 0) + 1);
    const [what = ""] = asked.request.toString().split(" ");
    return calls[what]?.(asked) ?? Promise.reject(new Error(`no call ${what}`));
  };
  const runner = new Runner({ store, changes, call, deaths: new MemoryDeaths(async () => []), log });
  local.lead(runner, "calls");
  running = runner.run(stop.signal);
}, 60_000);
afterAll(async () => {
  stop.abort();
  await running;
  await changes?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const operation = (request: string, idempotent = true) =>
  anOperation({ request: Buffer.from(request), idempotent, deadlineMs: 60_000 });
const start = async (request: string, idempotent = true): Promise<string> => {
  const one = operation(request, idempotent);
  const { row } = await local.start(one, () => store.insert(one));
  return row.id;
};
const ended = async (id: string) => {
  await expect.poll(async () => (await store.get(id))?.ended_at, patience).toBeTruthy();
  return store.get(id);
};

test("more calls at once than are made at one time each end once, with their own results", async () => {
  const numbers = Array.from({ length: 700 }, (_, number) => number);
  const ids = await Promise.all(numbers.map((number) => start(`answer ${number}`, number % 2 === 0)));
  for (const [number, id] of ids.entries()) {
    const row = await ended(id);
    expect(row).toMatchObject({ state: "succeeded", attempts: 1, error: null });
    expect(row?.response?.toString()).toBe(String(number));
    expect(made.get(id)).toBe(1);
  }
}, 120_000);

test("those that end at the same time end each in its own way", async () => {
  const [fine = "", refused = "", large = ""] = await Promise.all(
    ["answer x", "refuse", "large"].map((one) => start(one)),
  );
  expect(await ended(fine)).toMatchObject({ state: "succeeded" });
  expect(await ended(refused)).toMatchObject({
    state: "failed",
    attempts: 1,
    response: null,
    error: { reason: "NO_MORE" },
  });
  expect((await ended(large))?.response?.length).toBe(1_000_000);
});

test("one that somebody else wrote down is made as well", async () => {
  const one = operation("answer other");
  await store.insert(one);
  expect((await ended(one.id))?.response?.toString()).toBe("other");
});

test.each([true, false])(
  "one that is cancelled is let go of, and stays cancelled (idempotent: %s)",
  async (idempotent) => {
    const id = await start("wait", idempotent);
    await expect.poll(() => made.get(id), patience).toBe(1);
    const why = new RouseError("CANCELLED", "Enough.", { reason: "OPERATION_CANCELLED" });
    await store.fail(id, why, "cancelled");
    expect(await ended(id)).toMatchObject({ state: "cancelled", error: { message: "Enough." } });
  },
);

test("one whose end cannot be written together with others does not take them with it", async () => {
  const good = operation("wait");
  await store.insert(good);
  const ends = [store.end("no id at all", Buffer.from("x")), store.end(good.id, Buffer.from("good"))];
  const [first, second] = await Promise.allSettled(ends);
  expect([first?.status, second?.status]).toEqual(["rejected", "fulfilled"]);
  expect((await store.get(good.id))?.response?.toString()).toBe("good");
});

test.each([
  [true, { state: "succeeded", attempts: 2 }, 1],
  [false, { state: "failed", attempts: 1, error: { reason: "OPERATION_INTERRUPTED" } }, undefined],
])(
  "one that another process has begun as well is not made here if it must not be made twice (idempotent: %s)",
  async (idempotent, expected, times) => {
    const one = operation("answer x", idempotent);
    await local.start(one, async () => {
      const row = await store.insert(one);
      expect(await store.begin(row)).toMatchObject({ state: "running", attempts: 1 });
      return row;
    });
    expect(await ended(one.id)).toMatchObject(expected);
    expect(made.get(one.id)).toBe(times);
  },
);

test("one that must not be made twice is made again where nobody saw it", async () => {
  let refused = 0;
  calls.unseen = async () => {
    if (refused++ < 2) throw new RouseError("UNAVAILABLE", "no healthy upstream");
    return Buffer.from("seen");
  };
  const id = await start("unseen", false);
  expect(await ended(id)).toMatchObject({ state: "succeeded", attempts: 3 });
});
