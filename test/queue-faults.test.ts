import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials } from "@grpc/grpc-js";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CreateOrderRequest, OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { RunsClient } from "#proto/rouse/orders/v1/runs.ts";
import { unary } from "../sdk/grpc.ts";
import { postmasterPid } from "./support/host.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { seededRandom } from "./support/random.ts";
import { untilAnswered } from "./support/work.ts";

const QUEUED = 10_000;
/** So many are ordered one by one while orders and the database are killed; the others are laid beside them in the database. */
const ORDERED = 600;
/** So many of them have their turn; QUEUE_TURNS=10000: all. */
const TURNS = Number(process.env.QUEUE_TURNS ?? 250);
/** So many of those one after the other, so that their order can be seen. */
const ALONE = 30;
/** As many calls of orders as there may be. */
const MOST_CALLS = 200;
const PLACING = 32;
const LONGEST_REST_MS = 2_000;
const WAIT_MS = 300_000;
const SERVICE = "ledger.v1.LedgerService";

const random = seededRandom();
let mesh: TestMesh;
let ledger: Probe;
let pool: Pool;
let orders: OrdersClient;
let runs: RunsClient;
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  ledger = await makeProbe({ fixture: "ledger" });
  await ledger.register(mesh.data);
  const socket = encodeURIComponent(join(mesh.data, "orders/postgres"));
  pool = new Pool({
    connectionString: `postgresql://rouse@localhost:5432/postgres?host=${socket}`,
    options: "-c search_path=rouse_orders",
    max: 1,
  });
  pool.on("error", () => undefined);
  orders = new OrdersClient(mesh.orders, credentials.createInsecure());
  runs = new RunsClient(mesh.orders, credentials.createInsecure());
});
afterAll(async () => {
  orders?.close();
  runs?.close();
  await pool?.end();
  await mesh?.close();
  await ledger?.remove();
});

interface Placed {
  readonly key: string;
  readonly priority: number;
  /** How many entries its run makes, the number of the first, and the answer that it waits for. */
  readonly entries: number;
  readonly first: number;
  readonly approval: string;
}

/** Orders a durable run of the ledger. Asked again, it is the same one. */
async function place({ key, priority, ...parameters }: Placed): Promise<string> {
  const task = { service: SERVICE, method: "Book", parameters: JSON.stringify(parameters) };
  const request = CreateOrderRequest.fromPartial({ idempotencyKey: key, priority, tasks: [task] });
  return (await untilAnswered(() => unary(orders, "createOrder", request, { deadlineMs: 30_000 }))).id;
}

async function placeAll(all: readonly Placed[]): Promise<string[]> {
  const ids: string[] = [];
  const left = all.entries();
  const caller = async () => {
    for (const [at, one] of left) ids[at] = await place(one);
  };
  await Promise.all(Array.from({ length: PLACING }, caller));
  return ids;
}

/** Lays copies of an order beside it, by one statement: to order so many would take longer than all that is tested. */
async function copy(id: string, from: number, to: number): Promise<void> {
  await pool.query(
    `WITH o AS (
       INSERT INTO orders (id, name, priority, metadata, caller, idempotency_key, digest, keep_ms, state)
       SELECT gen_random_uuid(), name, n * 7 % 10, metadata, caller, 'order ' || n, digest, keep_ms, state
       FROM orders, generate_series($2::int, $3::int) AS n WHERE id = $1 ORDER BY n RETURNING id, idempotency_key
     )
     INSERT INTO order_tasks (order_id, position, name, service, version, method, kind, provider, needs, parameters, inputs, metadata,
       retries, deadline_ms, room, state, ready_at)
     SELECT o.id, position, name, service, version, method, kind, provider, needs,
       jsonb_set(parameters::jsonb, '{first}', to_jsonb(split_part(idempotency_key, ' ', 2)::int)), inputs, metadata, retries,
       deadline_ms, room, state, clock_timestamp()
     FROM o, order_tasks t WHERE t.order_id = $1`,
    [id, from, to - 1],
  );
}

/** kill -9 of orders and its database at the same moment. */
async function killBoth(): Promise<void> {
  const postmaster = postmasterPid(mesh.data);
  if (postmaster !== undefined) process.kill(postmaster, "SIGKILL");
  await mesh.restart("orders", "SIGKILL");
}

/** Rows of the database, as soon as it is there. */
async function rowsOf<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
  let rows: Row[] = [];
  await until("the database answers", () =>
    pool.query<Row>(text, [...values]).then(
      (answer) => {
        rows = answer.rows;
        return true;
      },
      () => false,
    ),
  );
  return rows;
}

const idsOf = async (text: string, values: readonly unknown[] = []) =>
  (await rowsOf<{ id: string }>(text, values)).map(({ id }) => id);

const queued = () => idsOf("SELECT id FROM orders WHERE state = 'queued' ORDER BY priority DESC, sequence");

/** Those that began, in the order in which they did. */
const begun = (gates: readonly string[]) =>
  idsOf("SELECT id FROM orders WHERE started_at IS NOT NULL AND NOT id = ANY($1) ORDER BY started_at", [
    gates,
  ]);

const ended = async (gates: readonly string[]) =>
  (await idsOf("SELECT id FROM orders WHERE ended_at IS NOT NULL AND NOT id = ANY($1)", [gates])).length;

/** Gives runs of gates the answer that they wait for, so that there is room for as many others. */
async function open(gates: readonly string[]): Promise<void> {
  const keys = gates.map((id) => `order:${id}:0:1`);
  const ids = await idsOf("SELECT id FROM operations WHERE idempotency_key = ANY($1)", [keys]);
  expect(ids).toHaveLength(gates.length);
  const answer = { name: "open", value: Buffer.from("1") };
  await Promise.all(ids.map((id) => untilAnswered(() => unary(runs, "answerRun", { id, ...answer }))));
}

test(
  "10,000 queued orders keep their places when orders and their database are killed, and each is done once",
  () =>
    random.told(async () => {
      // While these run no other call may begin.
      const gates = await placeAll(
        Array.from({ length: MOST_CALLS }, (_, at) => ({
          key: `gate ${at}`,
          priority: 9,
          entries: 0,
          first: at,
          approval: "open",
        })),
      );
      await until("all gates run", async () => (await queued()).length === 0, WAIT_MS);

      const wanted = Array.from({ length: ORDERED }, (_, at) => ({
        key: `order ${at}`,
        priority: (at * 7) % 10,
        entries: 1,
        first: at,
        approval: "",
      }));
      const kills = (async () => {
        for (let time = 0; time < 2; time++) {
          await sleep(random.within(0, LONGEST_REST_MS));
          await killBoth();
        }
      })();
      const [ids] = await Promise.all([placeAll(wanted), kills]);
      // What was answered is there, once.
      expect(new Set(await queued())).toEqual(new Set(ids));
      expect(await queued()).toHaveLength(ORDERED);
      await copy(ids[0] ?? "", ORDERED, QUEUED);
      const before = await queued();
      expect(before).toHaveLength(QUEUED);

      await killBoth();
      expect(await queued()).toEqual(before);
      for (const at of [0, 1, 4_321, QUEUED - 1]) {
        const order = await untilAnswered(() => unary(orders, "getOrder", { id: before[at] ?? "" }));
        expect(order.queuedBefore).toBe(at);
      }

      await open(gates.slice(0, 1));
      await until("some are done", async () => (await ended(gates)) >= ALONE / 2, WAIT_MS);
      await killBoth();
      await until("more are done", async () => (await ended(gates)) >= ALONE, WAIT_MS);
      const first = await begun(gates);
      expect(first).toEqual(before.slice(0, first.length));

      await open(gates.slice(1));
      await sleep(random.within(0, LONGEST_REST_MS));
      await killBoth();
      await until("so many are done", async () => (await ended(gates)) >= TURNS, 10 * WAIT_MS);
      // As many at a time may begin in any order.
      const all = await begun(gates);
      expect(before.slice(0, all.length + MOST_CALLS)).toEqual(expect.arrayContaining(all));

      const tasks = await rowsOf<{ key: string; state: string; attempts: number; result: string }>(
        `SELECT o.idempotency_key AS key, t.state, t.attempts, t.result FROM orders o JOIN order_tasks t ON t.order_id = o.id
         WHERE o.ended_at IS NOT NULL AND NOT o.id = ANY($1)`,
        [gates],
      );
      expect(tasks.length).toBeGreaterThanOrEqual(TURNS);
      for (const { key, state, attempts, result } of tasks) {
        expect([key, state, attempts]).toEqual([key, "succeeded", 1]);
        expect([key, JSON.parse(result).booked]).toEqual([key, [Number(key.split(" ")[1])]]);
      }
      // Each was one run, whose one step was done once.
      const twice = `SELECT run AS id FROM run_entries WHERE name LIKE 'book %' GROUP BY run HAVING count(*) > 1`;
      expect(await idsOf(twice)).toEqual([]);
      const more = `SELECT min(id::text) AS id FROM operations WHERE idempotency_key LIKE 'order:%'
        GROUP BY split_part(idempotency_key, ':', 2) HAVING count(*) > 1`;
      expect(await idsOf(more)).toEqual([]);
    }),
  1_200_000,
);
