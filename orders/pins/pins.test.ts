import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsulClient } from "../../registry/consul.ts";
import { catalogKey, openWorkKey } from "../../registry/keys.ts";
import { decodeValue, readKey, writeKey } from "../../registry/kv.ts";
import { withoutOpenWork } from "../../registry/open-work.ts";
import { openWorkSchema } from "../../registry/records.ts";
import { RouseError } from "../../sdk/errors.ts";
import { startConsul, type TestConsul } from "../../test/support/consul.ts";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { operationsPart } from "../operations/part.ts";
import { type NewOperation, OperationStore } from "../operations/store.ts";
import { anOperation } from "../operations/testing/an-operation.ts";
import { ordersPart } from "../orders/part.ts";
import { OrderStore } from "../orders/store/store.ts";
import { anOrder, aTask } from "../orders/testing/an-order.ts";
import { runsPart } from "../runs/part.ts";
import { openWork } from "./open-work.ts";
import { pinsPart } from "./part.ts";
import { VersionPins } from "./pins.ts";

const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "pins-"));
const stop = new AbortController();
const service = "s.v1.S";
const version = "1.0.0";
let server: TestConsul | undefined;
let consul: ConsulClient;
let database: OrdersDatabase;
let pins: VersionPins;
let keeping: Promise<void> | undefined;

beforeAll(async () => {
  server = await startConsul();
  consul = new ConsulClient({ address: server.address });
  const parts = [operationsPart, ordersPart, runsPart, pinsPart];
  database = await openDatabase({ url: undefined, folder, parts, log });
  await writeKey(consul, catalogKey(service, version), "{}");
  pins = new VersionPins(consul, log);
  keeping = pins.keep(() => openWork(database.pool), stop.signal);
}, 60_000);
afterAll(async () => {
  stop.abort();
  await keeping;
  await database?.close();
  consul?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const operation = (more: Partial<NewOperation> = {}) => anOperation({ service, version, ...more });

const patience = { timeout: 60_000, interval: 50 };
const removal = () => withoutOpenWork(consul, service, version);
const why = () =>
  removal().then(
    () => "",
    (thrown: unknown) => RouseError.from(thrown).message,
  );

test("a version is held from before the start of what is open until its end", async () => {
  await expect(removal()).resolves.toEqual([
    { verb: "check-not-exists", key: openWorkKey(service, version) },
  ]);
  const operations = new OperationStore(database.pool);
  const orders = new OrderStore(database.pool);
  const call = operation();
  const run = operation({ durable: true });
  await pins.during([call], async () => {
    for (const made of [call, run]) await operations.insert(made);
  });
  const order = anOrder({ tasks: [aTask({ service, version })] });
  await orders.insert(order);
  const all = `1 durable run (${run.id}), 1 operation (${call.id}), and 1 order (${order.id}) of it have not ended`;
  await expect.poll(why, patience).toContain(all);
  const error = new RouseError("CANCELLED", "cancelled");
  for (const { id } of [run, call]) await operations.fail(id, error, "cancelled");
  pins.changed();
  await expect.poll(why, patience).toContain(`1 order (${order.id}) of it has not ended`);
  await orders.cancel(order.id, JSON.stringify({ code: 1, message: "m", reason: "r", metadata: {} }));
  // Other processes pin it at last; what the database tells is not enough then.
  const pinned = async () => {
    await new VersionPins(consul, log).pin(service, version);
    pins.changed();
    return why();
  };
  await expect.poll(pinned, patience).toContain("while it is used just now");
  await expect.poll(why, patience).toBe("");
  expect(await readKey(consul, openWorkKey(service, version))).toBeUndefined();
});

test("what another version of the program wrote there is written anew", async () => {
  const key = openWorkKey(service, version);
  const made = operation();
  await new OperationStore(database.pool).insert(made);
  await writeKey(consul, key, "{");
  pins.changed();
  const note = async () => {
    const found = await readKey(consul, key);
    return found === undefined ? "" : decodeValue(found).toString();
  };
  await expect.poll(note, patience).toContain(made.id);
  expect(openWorkSchema.parse(JSON.parse(await note()))).toMatchObject({ operations: { open: 1 } });
});

test("nothing begins of a version that is removed", async () => {
  const error = await pins.pin(service, "9.9.9").catch((thrown: unknown) => RouseError.from(thrown));
  expect(error).toMatchObject({
    status: "NOT_FOUND",
    reason: "VERSION_UNKNOWN",
    message: `${service} 9.9.9 is not in the catalog any more. Register it again, or choose another version.`,
  });
});
