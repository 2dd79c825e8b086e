import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RegistryContext } from "../context.ts";
import { openDatabase, tidyEach } from "../database.ts";
import { addBuckets, type Buckets, bucketOf, packBuckets, unpackBuckets } from "./histogram.ts";
import { KEY_LIMITS, type KeyLimits, Keys, OTHER, type UsageKey } from "./keys.ts";
import { KEPT_MS, SCHEMA, WIDTHS } from "./schema.ts";

/** What an instance has counted of one key since its start. */
export interface Report {
  /** Names the instance and its start: sums go on only within one. */
  readonly instance: string;
  readonly key: UsageKey;
  readonly calls: number;
  readonly seconds: number;
  readonly buckets: Buckets;
}

/** How long a cold start took, in all or up to one of its stages. */
export interface ColdStage {
  /** Different for each. */
  readonly id: string;
  readonly service: string;
  readonly version: string;
  /** "": the whole; "failed": one that came to nothing; else the stage's name. */
  readonly stage: string;
  readonly seconds: number;
}

export interface UsageLimits extends KeyLimits {
  /** Rows of aggregates; the oldest minutes go first. */
  readonly rows: number;
}

export const USAGE_LIMITS: UsageLimits = { ...KEY_LIMITS, rows: 3_000_000 };

/** An instance that says nothing for so long has ended: those that live send their sums each hour. */
const REPORTED_MS = WIDTHS.day;
const TIDY_MS = 60_000;

interface Sum {
  calls: number;
  seconds: number;
  buckets: Buckets;
}

const open = new WeakMap<RegistryContext, UsageStore>();

/** The registry's own store, in `usage.db`. */
export function usageStore(context: RegistryContext): UsageStore {
  let store = open.get(context);
  if (store === undefined) {
    store = new UsageStore(join(context.dataDir, "usage.db"));
    open.set(context, store);
  }
  return store;
}

/** Aggregates of calls and cold starts. What an addition returns from is on disk, and survives the process. */
export class UsageStore {
  readonly database: DatabaseSync;
  readonly #keys: Keys;
  readonly #limits: UsageLimits;
  readonly #now: () => number;
  readonly #statements: Record<
    "addCalls" | "sumOf" | "reported" | "report" | "cold" | "addCold",
    StatementSync
  >;
  readonly #startedMs: number;
  readonly #timer: NodeJS.Timeout;

  /** @param now ms since 1970. */
  constructor(file: string, limits: UsageLimits = USAGE_LIMITS, now: () => number = Date.now) {
    this.database = openDatabase(file, SCHEMA);
    this.#keys = new Keys(this.database, limits);
    this.#limits = limits;
    this.#now = now;
    this.#startedMs = now();
    const prepare = (sql: string) => this.database.prepare(sql);
    this.#statements = {
      sumOf: prepare("SELECT calls, seconds, buckets FROM calls WHERE key = ? AND width = ? AND at = ?"),
      addCalls: prepare(`INSERT INTO calls (key, width, at, calls, seconds, buckets) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET calls = excluded.calls, seconds = excluded.seconds, buckets = excluded.buckets`),
      reported: prepare("SELECT calls, seconds, buckets FROM reported WHERE instance = ? AND key = ?"),
      report:
        prepare(`INSERT INTO reported (instance, key, calls, seconds, buckets, at) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET calls = excluded.calls, seconds = excluded.seconds, buckets = excluded.buckets, at = excluded.at`),
      cold: prepare(`SELECT starts AS calls, seconds, buckets FROM cold
        WHERE service = ? AND version = ? AND stage = ? AND width = ? AND at = ?`),
      addCold:
        prepare(`INSERT INTO cold (service, version, stage, width, at, starts, seconds, buckets) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET starts = excluded.starts, seconds = excluded.seconds, buckets = excluded.buckets`),
    };
    this.#timer = tidyEach(TIDY_MS, () => this.tidy());
  }

  /** Adds what instances have counted beyond what they reported before: a report that comes twice counts once. */
  addReports(reports: readonly Report[]): void {
    this.#transaction(() => {
      // Different names beyond a limit share a key: their sums are one.
      const sums = new Map<string, { id: number; instance: string; sum: Sum }>();
      for (const { instance, key, calls, seconds, buckets } of reports) {
        const id = this.#keys.idOf(key);
        const name = `${id} ${instance}`;
        const known = sums.get(name);
        if (known === undefined)
          sums.set(name, { id, instance, sum: { calls, seconds, buckets: new Map(buckets) } });
        else add(known.sum, { calls, seconds, buckets });
      }
      const now = this.#now();
      for (const { id, instance, sum } of sums.values()) {
        const before = this.#read("reported", instance, id);
        const more = difference(sum, before);
        // An older report that comes late says nothing new.
        if (more.calls <= 0) {
          if (before !== undefined) this.#write("report", before, [instance, id], [now]);
          continue;
        }
        this.#write("report", sum, [instance, id], [now]);
        for (const width of Object.values(WIDTHS)) {
          const place = [id, width, beginning(now, width)];
          const total = this.#read("sumOf", ...place) ?? empty();
          add(total, more);
          this.#write("addCalls", total, place);
        }
      }
    });
  }

  /** Adds stages of cold starts; one that comes twice counts once. */
  addColdStages(stages: readonly ColdStage[]): void {
    if (stages.length === 0) return;
    const see = this.database.prepare("INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING");
    this.#transaction(() => {
      const now = this.#now();
      for (const { id, stage, seconds, ...of } of stages) {
        if (see.run(id, now).changes === 0) continue;
        // Bounded by the same limits as calls are.
        const { service, version } = this.#keys.bounded({ ...of, method: OTHER, caller: OTHER, code: 0 });
        this.#keys.idOf({ service, version, method: OTHER, caller: OTHER, code: 0 });
        const buckets: Buckets = new Map([[bucketOf(seconds * 1_000), 1]]);
        for (const width of Object.values(WIDTHS)) {
          const place = [service, version, stage, width, beginning(now, width)];
          const total = this.#read("cold", ...place) ?? empty();
          add(total, { calls: 1, seconds, buckets });
          this.#write("addCold", total, place);
        }
      }
    });
  }

  /** Forgets what is older than it is kept, and the oldest when there is too much. */
  tidy(): void {
    const now = this.#now();
    this.#transaction(() => {
      for (const table of ["calls", "cold"]) {
        for (const [width, kept] of Object.entries(KEPT_MS)) {
          this.database
            .prepare(`DELETE FROM ${table} WHERE width = ? AND at < ?`)
            .run(Number(width), now - kept);
        }
        this.#shorten(table);
      }
      this.database.prepare("DELETE FROM seen WHERE at < ?").run(now - WIDTHS.day);
      // After a time away, instances get the time to be heard of.
      if (now - this.#startedMs > 2 * WIDTHS.hour)
        this.database.prepare("DELETE FROM reported WHERE at < ?").run(now - REPORTED_MS);
      this.#forgetOldest("reported");
      this.#forgetOldest("seen");
      const { changes } = this.database
        .prepare(
          `DELETE FROM key WHERE id NOT IN (SELECT key FROM calls WHERE width > 0) AND id NOT IN (SELECT key FROM reported)
            AND (service, version) NOT IN (SELECT service, version FROM cold WHERE width > 0)`,
        )
        .run();
      if (Number(changes) > 0) this.#keys.reload();
    });
  }

  /** Bounds a table by what was heard of longest ago. */
  #forgetOldest(table: string): void {
    const last = this.database
      .prepare(`SELECT at FROM ${table} ORDER BY at DESC LIMIT 1 OFFSET ?`)
      .get(this.#limits.rows) as { at: number } | undefined;
    if (last !== undefined) this.database.prepare(`DELETE FROM ${table} WHERE at <= ?`).run(last.at);
  }

  #shorten(table: string): void {
    const { rows } = this.#limits;
    const count = () =>
      Number((this.database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n);
    let excess = count() - rows;
    for (const width of [WIDTHS.minute, WIDTHS.hour, WIDTHS.day]) {
      if (excess <= 0) return;
      const last = this.database
        .prepare(`SELECT at FROM ${table} WHERE width = ? ORDER BY at LIMIT 1 OFFSET ?`)
        .get(width, excess) as { at: number } | undefined;
      this.database
        .prepare(`DELETE FROM ${table} WHERE width = ? AND at <= ?`)
        .run(width, last?.at ?? Number.MAX_SAFE_INTEGER);
      excess = count() - rows;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.database.close();
  }

  #read(statement: "sumOf" | "reported" | "cold", ...place: (string | number)[]): Sum | undefined {
    const row = this.#statements[statement].get(...place) as
      | { calls: number; seconds: number; buckets: string }
      | undefined;
    return row && { calls: row.calls, seconds: row.seconds, buckets: unpackBuckets(row.buckets) };
  }

  #write(
    statement: "addCalls" | "report" | "addCold",
    { calls, seconds, buckets }: Sum,
    place: (string | number)[],
    rest: number[] = [],
  ): void {
    this.#statements[statement].run(...place, calls, seconds, packBuckets(buckets), ...rest);
  }

  #transaction(work: () => void): void {
    this.database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.database.exec("COMMIT");
    } catch (error) {
      this.database.exec("ROLLBACK");
      this.#keys.reload();
      throw error;
    }
  }
}

/** When the point in time began that a moment belongs to, ms since 1970. */
export function beginning(atMs: number, width: number): number {
  return width === 0 ? 0 : atMs - (atMs % width);
}

function empty(): Sum {
  return { calls: 0, seconds: 0, buckets: new Map() };
}

function add(to: Sum, more: Sum): void {
  to.calls += more.calls;
  to.seconds += more.seconds;
  addBuckets(to.buckets, more.buckets);
}

function difference(now: Sum, before: Sum | undefined): Sum {
  if (before === undefined) return now;
  const buckets: Buckets = new Map();
  for (const [index, count] of now.buckets) {
    const more = count - (before.buckets.get(index) ?? 0);
    if (more > 0) buckets.set(index, more);
  }
  return { calls: now.calls - before.calls, seconds: Math.max(0, now.seconds - before.seconds), buckets };
}
