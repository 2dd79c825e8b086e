import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type DatabaseProxy, proxyDatabase } from "../../test/support/database-proxy.ts";
import { Changes } from "./changes.ts";
import { openDatabase } from "./connect.ts";
import { type Database, embeddedDatabase } from "./embedded.ts";
import { watchPulse } from "./pulse.ts";

const log = pino({ level: "silent" });
let folder: string;
let database: Database;
let proxy: DatabaseProxy;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-pulse-"));
  database = await embeddedDatabase(join(folder, "postgres"));
  proxy = await proxyDatabase(join(folder, "postgres/.s.PGSQL.5432"));
});
afterEach(() => proxy.become("quick"));
afterAll(async () => {
  await proxy?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

test("a connection whose server is cut off ends, and one that is answered does not", async () => {
  const pulse = { everyMs: 10, patienceMs: 300 };
  const client = new Client({ connectionString: proxy.url });
  client.on("error", () => undefined);
  await client.connect();
  const unwatch = watchPulse(client, pulse);
  for (let beat = 0; beat < 20; beat++) await client.query("SELECT pg_sleep(0.01)");
  const ended = once(client, "end");
  proxy.become("mute");
  await ended;
  unwatch();
});

test("who asks a database that is cut off is told so, and gets an answer when it is back", async () => {
  const parts = [{ name: "a", tables: ["CREATE TABLE a (n integer)", "INSERT INTO a VALUES (7)"] }];
  const { pool, close } = await openDatabase({ url: proxy.url, folder, parts, log, patienceMs: 500 });
  try {
    const ask = async () => (await pool.query<{ n: number }>("SELECT n FROM a")).rows[0]?.n;
    expect(await ask()).toBe(7);
    proxy.become("mute");
    // One on a connection that is there, and one that would need another.
    const both = await Promise.allSettled([ask(), ask()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const opening = openDatabase({ url: proxy.url, folder, parts, log, patienceMs: 500 });
    await expect(opening).rejects.toMatchObject({ status: "UNAVAILABLE", reason: "DATABASE_UNREACHABLE" });
    proxy.become("quick");
    expect(await ask()).toBe(7);
  } finally {
    await close();
  }
});

test("changes are heard again after the database was away", async () => {
  const changes = new Changes(proxy.url, ["a_channel"], log);
  await changes.start();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const heard: (string | undefined)[] = [];
    changes.listen("a_channel", (payload) => heard.push(payload));
    proxy.become("away");
    proxy.become("quick");
    // Anything may have changed meanwhile.
    await expect.poll(() => heard, { timeout: 60_000 }).toEqual([undefined]);
    await client.query("NOTIFY a_channel, 'news'");
    await expect.poll(() => heard, { timeout: 60_000 }).toEqual([undefined, "news"]);
  } finally {
    await client.end();
    await changes.close();
  }
});
