import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RouseError } from "../../../sdk/errors.ts";
import { type OrdersDatabase, openDatabase } from "../../database/connect.ts";
import { viewOf } from "../engine/live.ts";
import { assign } from "../queue/queue.ts";
import { anOrder, aTask } from "../testing/an-order.ts";
import { EngineStore } from "./engine-store.ts";
import { OrderStore } from "./store.ts";
import { ordersTables } from "./tables.ts";

const folder = mkdtempSync(join(tmpdir(), "orders-"));
const parts = [{ name: "orders", tables: ordersTables }];
const open = () => openDatabase({ url: undefined, folder, parts, log: pino({ level: "silent" }) });
let database: OrdersDatabase;
beforeAll(async () => {
  database = await open();
});
afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Its parameters have what PostgreSQL cannot keep as text. */
const task = (name: string, ...needs: string[]) => aTask({ name, needs, parameters: '{"nul": "\\u0000"}' });

const used = { wallMs: 5, cpuMs: 3, memoryPeakBytes: 7, readBytes: 1, writtenBytes: 2, cost: 0.5 };

describe("an order in the database", () => {
  test("goes through its states, and each attempt counts once", async () => {
    const store = new OrderStore(database.pool);
    const engine = new EngineStore(database.pool);
    const made = anOrder({ tasks: [task("a"), task("b", "a"), task("c", "b")] });
    await store.insert(made);
    expect((await store.get(made.id))?.tasks.map(({ name, state }) => [name, state])).toEqual([
      ["a", "ready"],
      ["b", "waiting"],
      ["c", "waiting"],
    ]);
    const key = { orderId: made.id, task: "a", attempt: 1 };
    expect(await engine.begin(made.id, "a", "h1")).toMatchObject({
      attempts: 1,
      state: "running",
      host: "h1",
    });
    // A leader of before, or a slower one.
    expect(await engine.begin(made.id, "a", "h2")).toBeUndefined();
    const error = new RouseError("ABORTED", "nul \0, half \ud800");
    expect(await engine.again(key, error, 0, true)).toBe(true);
    expect(await engine.again(key, error, 0, true)).toBe(false);
    await engine.note(key, used, [{ stream: "stdout", atMs: 1, line: "a \0 line" }]);
    await engine.note(key, used, []);
    expect(await engine.begin(made.id, "a", undefined)).toMatchObject({
      attempts: 2,
      failures: 1,
      cost: 0.5,
      wall_ms: 5,
    });
    expect(await engine.succeed(key, { result: "{}", outputs: [], said: {} })).toBe(false);
    const second = { ...key, attempt: 2 };
    expect(await engine.succeed(second, { result: '{"x": 1}', outputs: [], said: {} })).toBe(true);
    await engine.advance(made.id, ["b"], []);
    expect(await engine.begin(made.id, "b", undefined)).toMatchObject({ attempts: 1 });
    await engine.refused({ orderId: made.id, task: "b", attempt: 1 });
    expect(await engine.begin(made.id, "b", undefined)).toMatchObject({ attempts: 1 });
    await engine.fail({ orderId: made.id, task: "b", attempt: 1 }, error);
    await engine.advance(made.id, [], ["c"], { state: "failed", error });
    const ended = await store.get(made.id);
    expect(ended?.order).toMatchObject({ state: "failed", error: { message: error.message } });
    expect(ended?.tasks.map(({ state }) => state)).toEqual(["succeeded", "failed", "skipped"]);
    expect(await engine.open([made.id])).toEqual([]);
    expect(await store.retry(made.id)).toBe(true);
    expect(await store.retry(made.id)).toBe(false);
    const again = await engine.open([made.id]);
    expect(again[0]?.tasks.map(({ state, failures }) => [state, failures])).toEqual([
      ["succeeded", 1],
      ["waiting", 0],
      ["waiting", 0],
    ]);
    expect(
      await store.cancel(made.id, JSON.stringify({ code: 1, message: "m", reason: "r", metadata: {} })),
    ).toBe(true);
    expect(await store.cancel(made.id, "{}")).toBe(false);
    expect((await store.logs(made.id, "a")).map(({ attempt }) => attempt)).toEqual([1]);
  });

  test("is the same for the same key", async () => {
    const store = new OrderStore(database.pool);
    const first = anOrder({ idempotencyKey: "k" });
    const ids = await Promise.all(
      [first, anOrder({ idempotencyKey: "k" }), anOrder({ idempotencyKey: "k" })].map((made) =>
        store.insert(made),
      ),
    );
    expect(new Set(ids.map(({ id }) => id)).size).toBe(1);
  });

  test("tells the engine whose it is", async () => {
    const engine = new EngineStore(database.pool);
    const made = anOrder({ asker: "anna", caller: "c.v1.C" });
    await new OrderStore(database.pool).insert(made);
    expect(await engine.whose(made.id)).toEqual({ asker: "anna", caller: "c.v1.C" });
    await expect(engine.whose(randomUUID())).rejects.toMatchObject({
      status: "NOT_FOUND",
      reason: "ORDER_UNKNOWN",
    });
  });
});

describe("an order that cannot be read", () => {
  const broken = [
    ["a state that nobody knows", "state = 'flying'"],
    ["a room that is no JSON", "room = '{'"],
  ] as const;
  test.each(broken)("by %s is left out, and the others are read", async (_why, set) => {
    const store = new OrderStore(database.pool);
    const engine = new EngineStore(database.pool);
    const [bad, good] = [anOrder({ tasks: [task("a"), task("b")] }), anOrder()];
    for (const made of [bad, good]) await store.insert(made);
    await database.pool.query(`UPDATE order_tasks SET ${set} WHERE order_id = $1`, [bad.id]);
    const leftOut: [string, RouseError][] = [];
    const open = await engine.open([bad.id, good.id], (id, error) => leftOut.push([id, error]));
    expect(open.map(({ id }) => id)).toEqual([good.id]);
    expect(leftOut.map(([id]) => id)).toEqual([bad.id]);
    const error = leftOut[0]?.[1] as RouseError;
    expect(error).toMatchObject({ status: "INTERNAL", reason: "ORDER_UNREADABLE" });
    await engine.leaveOut(bad.id, error);
    expect(await engine.open([bad.id])).toEqual([]);
    const shown = await store.get(bad.id);
    expect(shown?.order).toMatchObject({ state: "failed", error: { reason: "ORDER_UNREADABLE" } });
    expect(shown?.tasks.map(({ name, state }) => [name, state])).toEqual([
      ["a", "cancelled"],
      ["b", "cancelled"],
    ]);
    expect((await store.list("", undefined, 10)).map(({ order }) => order.id)).toContain(bad.id);
  });

  test("says which of its rows it is, and what to do", async () => {
    const store = new OrderStore(database.pool);
    const made = anOrder();
    await store.insert(made);
    await database.pool.query("UPDATE order_tasks SET inputs = '7' WHERE order_id = $1", [made.id]);
    const begun = new EngineStore(database.pool).begin(made.id, "main", undefined);
    const error = await begun.catch((thrown: unknown) => RouseError.from(thrown));
    expect(error).toMatchObject({ reason: "ORDER_UNREADABLE", metadata: { order: made.id } });
    expect((error as RouseError).message).toMatch(
      /^Order \S+ cannot be read from the database, and was left out: its task "main" is not what this version of Rouse writes \([\s\S]+\)\. Retry it with a version that can read it \("rouse orders retry \S+"\), or order it anew\.$/,
    );
    await database.pool.query("UPDATE orders SET metadata = '' WHERE id = $1", [made.id]);
    const shown = await store.get(made.id);
    expect(shown?.order).toMatchObject({ id: made.id, metadata: {}, error: { reason: "ORDER_UNREADABLE" } });
    expect(shown?.tasks).toMatchObject([{ name: "main", error: { reason: "ORDER_UNREADABLE" } }]);
    await store.cancel(made.id, JSON.stringify({ code: 1, message: "m", reason: "r", metadata: {} }));
  });
});

describe("an order whose time is over", () => {
  test("is forgotten with its tasks and logs; one that goes on never is", async () => {
    const store = new OrderStore(database.pool);
    const [ended, open] = [anOrder(), anOrder()];
    for (const made of [ended, open]) await store.insert(made);
    await new EngineStore(database.pool).note({ orderId: ended.id, task: "main", attempt: 1 }, used, []);
    await store.cancel(ended.id, JSON.stringify({ code: 1, message: "m", reason: "r", metadata: {} }));
    expect(await store.expired(10)).toEqual([]);
    await database.pool.query(
      "UPDATE orders SET ended_at = ended_at - interval '2 minutes', created_at = created_at - interval '1 year'",
    );
    const expired = await store.expired(10);
    expect(expired).toContain(ended.id);
    expect(expired).not.toContain(open.id);
    for (const { id } of [ended, open]) await store.forget(id);
    expect(await store.get(ended.id)).toBeUndefined();
    expect(await store.logs(ended.id, "")).toEqual([]);
    expect((await store.get(open.id))?.order.state).toBe("queued");
  });
});

describe("10,000 queued orders", () => {
  test("have their turns in the same order after a restart of the database", async () => {
    await database.pool.query("TRUNCATE orders CASCADE");
    // Not each commit is waited for until it is on disk: how 10,000 got there is not what is tested.
    const options = "-c search_path=rouse_orders -c synchronous_commit=off";
    const quick = new Pool({ connectionString: database.url, max: 8, options });
    const store = new OrderStore(quick);
    const made = Array.from({ length: 10_000 }, (_, at) =>
      anOrder({ priority: (at * 7) % 10, tasks: [aTask({ provider: `p${at % 3}` })] }),
    );
    let at = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let mine = made[at++]; mine !== undefined; mine = made[at++]) await store.insert(mine);
      }),
    );
    await quick.end();
    // A moment at which none has waited long enough to rise.
    const turns = async () => {
      const open = await new EngineStore(database.pool).open();
      const nowMs = Math.max(...open.map(({ tasks: [one] }) => one?.ready_at?.getTime() ?? 0));
      const { candidates } = viewOf(open, new Map(), nowMs);
      return assign({ candidates, running: [], hosts: [], mostCalls: 20_000, nowMs }).map(({ key }) => key);
    };
    const before = await turns();
    expect(before.length).toBe(10_000);
    await database.close();
    database = await open();
    expect(await turns()).toEqual(before);
    const priorityOf = new Map(made.map(({ id, priority }) => [`${id} main`, priority]));
    const priorities = before.map((key) => priorityOf.get(key) ?? -1);
    expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
  });
});
