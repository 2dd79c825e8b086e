import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { withClient } from "../cli/connect.ts";
import { type Database, embeddedDatabase } from "../orders/database/embedded.ts";
import { artifacts } from "../sdk/client/index.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import type { TaskWorker } from "../sdk/tasks/index.ts";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { flocks, flockWorker } from "./fixtures/task-worker.ts";
import { type DatabaseProxy, proxyDatabase } from "./support/database-proxy.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { seededRandom } from "./support/random.ts";
import { rouse } from "./support/rouse.ts";
import { smallDisk } from "./support/small-disk.ts";
import { Work } from "./support/work.ts";

/** So long the database is away, ms: longer than leases, keep-alives and most deadlines. */
const AWAY_MS = Number(process.env.ROUSE_FAULT_AWAY_MS ?? 20_000);
const MIB = 2 ** 20;

const random = seededRandom();
const queue = flocks("database-faults");
const disks = { database: smallDisk("database", 200), artifacts: smallDisk("artifacts", 24) };
let database: Database;
let proxy: DatabaseProxy;
let mesh: TestMesh;
let ledger: Probe;
let workers: TaskWorker[] = [];
beforeAll(async () => {
  database = await embeddedDatabase(join(disks.database.folder, "postgres"));
  proxy = await proxyDatabase(join(disks.database.folder, "postgres/.s.PGSQL.5432"));
  const flags = ["--database", proxy.url, "--artifacts", disks.artifacts.folder];
  mesh = await startMesh({ runtime: "process", args: flags });
  ledger = await makeProbe({ fixture: "ledger" });
  await ledger.register(mesh.data);
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.close(0)));
  await mesh?.close();
  await ledger?.remove();
  await proxy?.close();
  await database?.close();
  for (const { free } of Object.values(disks)) free();
});

const away = {
  status: "UNAVAILABLE",
  reason: "DATABASE_UNREACHABLE",
  message: expect.stringMatching(/^The database of orders does not answer .* Nothing is lost/),
};

/** What becomes of the database while work is under way; each resolves when it is well again. */
const faults: Record<string, (more: () => Promise<void>) => Promise<void>> = {
  /** Everything takes its time. */
  async slow(more) {
    proxy.become("slow", random.within(20, 80));
    await more();
  },
  /** Connections are open, and nothing comes back. */
  async mute() {
    proxy.become("mute");
    await sleep(random.within(1_000, 6_000));
  },
  async away() {
    proxy.become("away");
    using client = createLedgerServiceClient({ target: mesh.edge });
    const store = artifacts({ target: mesh.mesh });
    try {
      const request = { entries: 0, first: 0, restMs: 0, entryMs: 0, fail: "", bytes: 0, approval: "" };
      await expect(client.async.count(request)).rejects.toMatchObject(away);
      await expect(client.async.book(request)).rejects.toMatchObject(away);
      await expect(store.put(Buffer.from("x"))).rejects.toMatchObject(away);
      const task = {
        name: "",
        service: "ledger.v1.LedgerService",
        version: "",
        method: "Count",
        parameters: "{}",
      };
      const tasks = [{ ...task, inputs: {}, metadata: {}, after: [] }];
      const order = { name: "", tasks, metadata: {}, idempotencyKey: "", keepMs: 0, validateOnly: false };
      const ordered = withClient(OrdersClient, mesh.edge, (orders) => unary(orders, "createOrder", order));
      await expect(ordered).rejects.toMatchObject(away);
    } finally {
      store.close();
    }
    for (const command of ["runs", "tasks", "operations", "orders"]) {
      const { code, stderr } = await rouse([command, "--data", mesh.data]);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /The database of orders does not answer .* \(UNAVAILABLE, DATABASE_UNREACHABLE\)/s,
      );
    }
    await sleep(AWAY_MS);
  },
};
if (disks.database.mounted)
  faults["a full disk"] = async () => {
    const makeRoom = await disks.database.fill();
    try {
      using client = createLedgerServiceClient({ target: mesh.edge });
      const request = { entries: 0, first: 0, restMs: 0, entryMs: 0, bytes: 0, approval: "" };
      let said: RouseError | undefined;
      await until("somebody is told", async () => {
        const fail = randomBytes(20_000).toString("hex");
        said = await client.async.count({ ...request, fail }).then(
          () => undefined,
          (thrown: unknown) => RouseError.from(thrown),
        );
        return said !== undefined;
      });
      // Where it cannot write its log either, it ends, and is started again until there is room.
      expect(said).toMatchObject({
        status: "UNAVAILABLE",
        reason: expect.stringMatching(/^DATABASE_(FULL|UNREACHABLE)$/),
        message: expect.stringContaining("Nothing is lost"),
      });
      await sleep(random.within(0, 3_000));
    } finally {
      makeRoom();
    }
  };

test("a run that rests goes on by itself when orders were started before their database", async () => {
  using client = createLedgerServiceClient({ target: mesh.edge });
  const request = { entries: 1, first: 7, restMs: 3_000, entryMs: 0, fail: "", bytes: 0, approval: "" };
  const { id } = await client.async.book(request);
  proxy.become("away");
  try {
    await mesh.restart("orders", "SIGKILL");
  } finally {
    proxy.become("quick");
  }
  // Whoever asked orders would have them look for their database.
  const pool = new Pool({ connectionString: database.url, options: "-c search_path=rouse_orders", max: 1 });
  try {
    await until("it has ended", async () => {
      const { rows } = await pool.query("SELECT state FROM operations WHERE id = $1", [id]);
      return rows[0].state === "succeeded";
    });
  } finally {
    await pool.end();
  }
});

test(
  "of runs, async calls and tasks each ends exactly once, whatever becomes of the database",
  () =>
    random.told(async () => {
      workers = [1, 2].map(() => flockWorker(queue, { target: mesh.mesh }));
      const work = new Work({ edge: mesh.edge, mesh: mesh.mesh, queue, least: 20 });
      const more = () => work.more();
      await work.during(async () => {
        await more();
        for (const fault of random.turns(Object.values(faults), Object.keys(faults).length)) {
          try {
            await fault(more);
          } finally {
            proxy.become("quick");
          }
          await more();
        }
      });
      await work.check(database.url);
    }),
  300_000 + AWAY_MS,
);

test.skipIf(!disks.artifacts.mounted)("a full disk of artifacts is told, and the rest goes on", async () => {
  const store = artifacts({ target: mesh.mesh });
  try {
    const kept = randomBytes(MIB);
    const { uri } = await store.put(kept);
    await expect(store.put(randomBytes(32 * MIB))).rejects.toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "ARTIFACT_NO_ROOM",
    });
    expect(await store.verify(uri)).toBe(kept.length);
    await store.put(randomBytes(MIB));
  } finally {
    store.close();
  }
});
