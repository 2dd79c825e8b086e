import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OrdersDatabase, openDatabase } from "./database/connect.ts";
import { Leadership, untilAborted } from "./leader.ts";
import type { OpenContext, OrdersPart } from "./part.ts";

const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "rouse-leader-"));
let database: OrdersDatabase;
beforeAll(async () => {
  database = await openDatabase({ url: undefined, folder, parts: [], log });
});
afterAll(async () => {
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A process's part that tells when it leads. */
function member(name: string, told: string[], lead?: OrdersPart["lead"]) {
  const part: OrdersPart = {
    name,
    tables: [],
    channels: [],
    serve() {},
    async lead(context, signal) {
      told.push(`${name} leads`);
      await lead?.(context, signal);
      await untilAborted(signal);
      told.push(`${name} ends`);
    },
  };
  // The parts of this test look at nothing else of it.
  const context = { url: database.url, pool: database.pool, log } as OpenContext;
  const leadership = new Leadership([part], context);
  leadership.start();
  return leadership;
}

test("one process leads, and another takes over when it lets go", async () => {
  const told: string[] = [];
  const first = member("first", told);
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(["first leads"]);
  const second = member("second", told);
  await first.close();
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(["first leads", "first ends", "second leads"]);
  await second.close();
});

test("whose connection breaks stops at once, and stands again", async () => {
  const told: string[] = [];
  const leadership = member("only", told);
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(["only leads"]);
  await database.pool.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rouse-orders-lock'",
  );
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(["only leads", "only ends", "only leads"]);
  await leadership.close();
});

test("work that fails is begun again", async () => {
  const told: string[] = [];
  let failures = 0;
  const leadership = member("weak", told, async () => {
    failures += 1;
    if (failures === 1) throw new Error("not today");
  });
  await expect.poll(() => told, { timeout: 60_000 }).toEqual(["weak leads", "weak leads"]);
  await leadership.close();
});
