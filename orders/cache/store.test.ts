import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { CacheStore } from "./store.ts";
import { cacheTables } from "./tables.ts";

let folder: string;
let database: OrdersDatabase;
const clock = { ms: Date.now() };
const now = () => clock.ms;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-cache-"));
  const parts = [{ name: "cache", tables: cacheTables }];
  database = await openDatabase({ url: undefined, folder, parts, log: pino({ level: "silent" }) });
});
afterAll(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

const store = (bytes = 1_000) => new CacheStore(database.pool, { bytes, valueBytes: 600 }, now);
const get = async (cache: CacheStore, service: string, key: string) =>
  (await cache.get(service, key))?.value.toString();

test("an entry is its service's alone, until its time is over", async () => {
  const cache = store();
  await cache.set("a", "key", Buffer.from("of a"), 1_000);
  await cache.set("b", "key", Buffer.from("of b"), 0);
  expect(await get(cache, "a", "key")).toBe("of a");
  expect(await get(cache, "b", "key")).toBe("of b");
  clock.ms += 1_000;
  expect(await get(cache, "a", "key")).toBeUndefined();
  expect(await get(cache, "b", "key")).toBe("of b");
  await cache.expire();
  expect(await cache.use("a")).toEqual({ entries: 0, bytes: 0 });
  await cache.delete("b", "key");
  expect(await get(cache, "b", "key")).toBeUndefined();
});

test("what was not used for longest goes first", async () => {
  const cache = store();
  for (const key of ["1", "2", "3", "4"]) {
    await cache.set("lru", key, Buffer.alloc(140), 0);
    clock.ms += 2_000;
  }
  await cache.get("lru", "1");
  clock.ms += 2_000;
  await cache.set("lru", "5", Buffer.alloc(140), 0);
  const left = [];
  for (const key of ["1", "2", "3", "4", "5"]) if (await cache.get("lru", key)) left.push(key);
  expect(left).toEqual(["1", "4", "5"]);
  await cache.clear("lru");
  expect(await cache.use("lru")).toEqual({ entries: 0, bytes: 0 });
});

test("the bound holds whatever comes, and what is given is what was set last", async () => {
  const change = fc.record({
    service: fc.constantFrom("p", "q"),
    key: fc.constantFrom("a", "b", "c", "d", "e", "__proto__"),
    size: fc.integer({ min: 0, max: 600 }),
    ttl: fc.integer({ min: 1, max: 5_000 }),
    later: fc.integer({ min: 0, max: 3_000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 30 }), async (changes) => {
      const cache = store();
      await cache.clear("p");
      await cache.clear("q");
      const set = new Map<string, { size: number; until: number }>();
      for (const { service, key, size, ttl, later } of changes) {
        await cache.set(service, key, Buffer.alloc(size), ttl);
        set.set(`${service} ${key}`, { size, until: clock.ms + ttl });
        expect((await cache.get(service, key))?.value.length).toBe(size);
        clock.ms += later;
        for (const each of ["p", "q"]) expect((await cache.use(each)).bytes).toBeLessThanOrEqual(1_000);
        for (const [name, { size, until }] of set) {
          const [service = "", key = ""] = name.split(" ");
          const found = await cache.get(service, key);
          if (found === undefined) continue;
          expect(found.value.length).toBe(size);
          expect(until).toBeGreaterThan(clock.ms);
        }
      }
    }),
    { numRuns: 20 },
  );
});

test("several at once keep the bound and the count", async () => {
  const cache = store();
  await Promise.all(
    Array.from({ length: 40 }, (_, n) => cache.set("many", `k${n % 13}`, Buffer.alloc(50 + n), 60_000)),
  );
  const { bytes } = await cache.use("many");
  expect(bytes).toBeLessThanOrEqual(1_000);
  const { rows } = await database.pool.query("SELECT bytes FROM cache_sizes WHERE service = 'many'");
  expect(Number(rows[0].bytes)).toBe(bytes);
});

test("what it cannot take is told", async () => {
  const cache = store();
  await expect(cache.set("x", "k", Buffer.alloc(601), 0)).rejects.toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    reason: "CACHE_ENTRY_TOO_LARGE",
    message:
      "The value has 601 bytes; the cache takes 600 at most. Keep it as an artifact, and its URI here.",
  });
  await expect(cache.set("x", "", Buffer.alloc(1), 0)).rejects.toMatchObject({
    status: "INVALID_ARGUMENT",
    reason: "CACHE_ENTRY_INVALID",
    message: expect.stringContaining("the key has 0 bytes; give 1 to 500"),
  });
  await expect(cache.get("x", "a\0b")).rejects.toThrow("the key is not text");
  await expect(cache.set("x", "k", Buffer.alloc(1), 1e10)).rejects.toThrow("which is 7 days");
});
