import type { Pool } from "pg";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";
import type { Db } from "../artifacts/rows.ts";
import { checked, inTransaction } from "../artifacts/transaction.ts";

/** Bounds of one service's cache. */
export interface CacheBounds {
  /** Of all entries, keys and upkeep included. */
  readonly bytes: number;
  /** Of one value. */
  readonly valueBytes: number;
}

export const BOUNDS: CacheBounds = { bytes: 64 * 2 ** 20, valueBytes: 4 * 2 ** 20 };
const HOUR_MS = 3_600_000;
const LONGEST_MS = 7 * 24 * HOUR_MS;
const LONGEST_KEY = 500;
/** What an entry takes beside its key and its value, bytes. */
const UPKEEP_BYTES = 100;
/** When the bound is reached, so much more is taken away, so that not every new entry has to look for room. */
const SLACK = 0.1;
/** An entry's use is noted no more often than this, ms: reading stays reading. */
const NOTE_MS = 1_000;

export interface CacheEntry {
  readonly value: Buffer;
  readonly expiresAt: Date;
}

export interface CacheUse {
  readonly entries: number;
  readonly bytes: number;
}

const sizeSchema = z.array(z.object({ bytes: z.coerce.number() }));
const entrySchema = z.array(
  z.object({ value: z.instanceof(Buffer), expires_at: z.date(), used_at: z.date() }),
);

/** Entries by service and key. Everything throws UNAVAILABLE DATABASE_UNREACHABLE while the database is away. */
export class CacheStore {
  readonly #pool: Pool;
  readonly #bounds: CacheBounds;
  readonly #now: () => number;

  constructor(pool: Pool, bounds: CacheBounds = BOUNDS, now: () => number = Date.now) {
    this.#pool = pool;
    this.#bounds = bounds;
    this.#now = now;
  }

  get mostBytes(): number {
    return this.#bounds.bytes;
  }

  async get(service: string, key: string): Promise<CacheEntry | undefined> {
    checkKey(key);
    const now = new Date(this.#now());
    const db = checked(this.#pool);
    const { rows } = await db.query(
      "SELECT value, expires_at, used_at FROM cache_entries WHERE service = $1 AND key = $2 AND expires_at > $3",
      [service, key, now],
    );
    const [found] = entrySchema.parse(rows);
    if (found === undefined) return undefined;
    if (now.getTime() - found.used_at.getTime() > NOTE_MS)
      await db.query("UPDATE cache_entries SET used_at = $3 WHERE service = $1 AND key = $2", [
        service,
        key,
        now,
      ]);
    return { value: found.value, expiresAt: found.expires_at };
  }

  /**
   * @param ttlMs 0: an hour.
   * @throws RouseError RESOURCE_EXHAUSTED CACHE_ENTRY_TOO_LARGE; INVALID_ARGUMENT CACHE_ENTRY_INVALID.
   */
  async set(service: string, key: string, value: Buffer, ttlMs: number): Promise<void> {
    checkKey(key);
    const ttl = ttlMs || HOUR_MS;
    if (ttl > LONGEST_MS) throw invalid(`ttl_ms is ${ttl}; give 1 to ${LONGEST_MS}, which is 7 days`);
    const most = Math.min(
      this.#bounds.valueBytes,
      this.#bounds.bytes - Buffer.byteLength(key) - UPKEEP_BYTES,
    );
    if (value.length > most) throw tooLarge(value.length, most);
    const now = new Date(this.#now());
    const bytes = value.length + Buffer.byteLength(key) + UPKEEP_BYTES;
    await inTransaction(this.#pool, async (db) => {
      const before = await lockSize(db, service);
      const { rows } = await db.query("SELECT bytes FROM cache_entries WHERE service = $1 AND key = $2", [
        service,
        key,
      ]);
      const size = before - (sizeSchema.parse(rows)[0]?.bytes ?? 0) + bytes;
      await db.query(
        `INSERT INTO cache_entries (service, key, value, bytes, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (service, key) DO UPDATE SET value = $3, bytes = $4, expires_at = $5, used_at = $6`,
        [service, key, value, bytes, new Date(now.getTime() + ttl), now],
      );
      const freed = size > this.#bounds.bytes ? await this.#makeRoom(db, service, key, size, now) : 0;
      await db.query("UPDATE cache_sizes SET bytes = $2 WHERE service = $1", [service, size - freed]);
    });
  }

  async delete(service: string, key: string): Promise<void> {
    checkKey(key);
    await this.#forget(service, "key = $2", [key]);
  }

  async clear(service: string): Promise<void> {
    await this.#forget(service, "true", []);
  }

  async use(service: string): Promise<CacheUse> {
    const { rows } = await checked(this.#pool).query(
      "SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes FROM cache_entries WHERE service = $1 AND expires_at > $2",
      [service, new Date(this.#now())],
    );
    const [use] = z.array(z.object({ entries: z.coerce.number(), bytes: z.coerce.number() })).parse(rows);
    return use ?? { entries: 0, bytes: 0 };
  }

  /** Forgets what is past its time, of all services. */
  async expire(): Promise<void> {
    const now = new Date(this.#now());
    const { rows } = await checked(this.#pool).query(
      "SELECT DISTINCT service FROM cache_entries WHERE expires_at <= $1",
      [now],
    );
    for (const { service } of z.array(z.object({ service: z.string() })).parse(rows))
      await this.#forget(service, "expires_at <= $2", [now]);
  }

  async #forget(service: string, where: string, values: readonly unknown[]): Promise<void> {
    await inTransaction(this.#pool, async (db) => {
      const before = await lockSize(db, service);
      const { rows } = await db.query(
        `DELETE FROM cache_entries WHERE service = $1 AND ${where} RETURNING bytes`,
        [service, ...values],
      );
      await db.query("UPDATE cache_sizes SET bytes = $2 WHERE service = $1", [service, before - sum(rows)]);
    });
  }

  /** Takes away what is past its time and then what was not used for longest; never the entry that has just come. */
  async #makeRoom(db: Db, service: string, key: string, size: number, now: Date): Promise<number> {
    const wanted = size - this.#bounds.bytes * (1 - SLACK);
    const { rows } = await db.query(
      `DELETE FROM cache_entries WHERE service = $1 AND key IN (
         SELECT key FROM (
           SELECT key, bytes, sum(bytes) OVER (ORDER BY expires_at > $3, used_at, key) AS upto
           FROM cache_entries WHERE service = $1 AND key <> $2) e
         WHERE upto - bytes < $4) RETURNING bytes`,
      [service, key, now, wanted],
    );
    return sum(rows);
  }
}

/** Bytes of a service's entries; nobody else changes them until the transaction ends. */
async function lockSize(db: Db, service: string): Promise<number> {
  const { rows } = await db.query(
    `INSERT INTO cache_sizes (service, bytes) VALUES ($1, 0)
     ON CONFLICT (service) DO UPDATE SET bytes = cache_sizes.bytes RETURNING bytes`,
    [service],
  );
  return sizeSchema.parse(rows)[0]?.bytes ?? 0;
}

function sum(rows: readonly unknown[]): number {
  return sizeSchema.parse(rows).reduce((all, { bytes }) => all + bytes, 0);
}

function checkKey(key: string): void {
  if (key === "" || Buffer.byteLength(key) > LONGEST_KEY)
    throw invalid(`the key has ${Buffer.byteLength(key)} bytes; give 1 to ${LONGEST_KEY}`);
  if (key.includes("\0") || !key.isWellFormed()) throw invalid("the key is not text");
}

function invalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The cache cannot do that: ${why}.`, {
    reason: "CACHE_ENTRY_INVALID",
  });
}

function tooLarge(bytes: number, most: number): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The value has ${bytes} bytes; the cache takes ${most} at most. Keep it as an artifact, and its URI here.`,
    { reason: "CACHE_ENTRY_TOO_LARGE" },
  );
}
