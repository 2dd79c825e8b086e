import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { postmasterPid } from "./support/host.ts";
import { liveVersions } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { seededRandom } from "./support/random.ts";

/** So many runs at least; more of them for a longer look: FAULT_RUNS=1000. */
const RUNS = Number(process.env.FAULT_RUNS ?? 60);
/** So many runs are under way at one time. */
const TOGETHER = 12;
const KILLS = Number(process.env.FAULT_KILLS ?? Math.max(8, Math.floor(RUNS / 25)));
/** Longest time from one kill to the next, ms. */
const LONGEST_REST_MS = 2_000;
const SERVICE = "ledger.v1.LedgerService";
const ENTRIES = 4;

const random = seededRandom();
let mesh: TestMesh;
let ledger: Probe;
/** Where the ledger's steps tell that they are made. */
const trace = () => join(ledger.dir, "trace");
/** A step of a run, by the run's first number, and when it was made. */
interface Made {
  readonly first: number;
  readonly number: number;
  readonly atMs: number;
}
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  ledger = await makeProbe({ fixture: "ledger" });
  const handlers = join(ledger.dir, "src/handlers.ts");
  const source = await readFile(handlers, "utf8");
  await writeFile(handlers, source.replace('TRACE = ""', `TRACE = ${JSON.stringify(trace())}`));
  await ledger.register(mesh.data);
});
afterAll(async () => {
  await mesh?.close();
  await ledger?.remove();
});

/** kill -9 of each part that a run needs. */
const kills: Record<string, () => Promise<void>> = {
  async worker() {
    const [version] = await liveVersions(mesh, SERVICE);
    const [instance] = version?.instances ?? [];
    // It may have been killed just now, and its next one is not told yet.
    if (instance !== undefined) await mesh.killInstance(instance.id).catch(() => undefined);
  },
  orders: () => mesh.restart("orders", "SIGKILL"),
  async database() {
    const pid = postmasterPid(mesh.data);
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  },
  envoy: () => mesh.restart("envoy", "SIGKILL"),
};

test(
  `of ${RUNS} runs each ends exactly once with the right result, whatever is killed meanwhile`,
  () =>
    random.told(async () => {
      using client = createLedgerServiceClient({ target: mesh.edge });
      let begun = 0;
      let killing = true;
      const caller = async () => {
        while (killing || begun < RUNS) {
          const first = begun++ * 10;
          const request = {
            entries: ENTRIES,
            first,
            restMs: 30,
            entryMs: 30,
            fail: "",
            bytes: 0,
            approval: "",
          };
          const { booked } = await client.book(request, { idempotencyKey: `run ${first}` });
          expect(booked).toEqual([first, first + 1, first + 2, first + 3]);
        }
      };
      const killer = async () => {
        try {
          for (const kill of random.turns(Object.values(kills), KILLS)) {
            await sleep(random.within(0, LONGEST_REST_MS));
            await kill();
          }
        } finally {
          killing = false;
        }
      };
      await Promise.all([...Array.from({ length: TOGETHER }, caller), killer()]);

      const socket = encodeURIComponent(join(mesh.data, "orders/postgres"));
      const pool = new Pool({
        connectionString: `postgresql://rouse@localhost:5432/postgres?host=${socket}`,
        options: "-c search_path=rouse_orders",
        max: 1,
      });
      try {
        const count = async (from: string) =>
          (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`)).rows[0]?.n;
        // What was asked for under a key was run once, and each of its steps is recorded once.
        expect(await count("operations")).toBe(begun);
        expect(await count("operations WHERE durable AND state = 'succeeded'")).toBe(begun);
        expect(await count("run_entries WHERE done")).toBe(begun * 2 * ENTRIES);
        expect(await count("run_entries")).toBe(begun * 2 * ENTRIES);
        // Outside of the database: a step is made again only as long as it was not recorded.
        const { rows } = await pool.query<{ step: string; at: string }>(
          `SELECT o.idempotency_key || ' ' || e.name AS step, e.recorded_at_ms AS at
           FROM run_entries e JOIN operations o ON o.id = e.run WHERE e.name LIKE 'book %'`,
        );
        const lines = (await readFile(trace(), "utf8")).trimEnd().split("\n");
        const made = lines.map((line) => JSON.parse(line) as Made);
        const madeAt = Map.groupBy(made, ({ first, number }) => `run ${first} book ${number}`);
        expect(madeAt.size).toBe(begun * ENTRIES);
        const again = rows.filter(({ step, at }) => madeAt.get(step)?.some(({ atMs }) => atMs > Number(at)));
        expect(again).toEqual([]);
      } finally {
        await pool.end();
      }
    }),
  Math.max(300_000, RUNS * 1_000),
);
