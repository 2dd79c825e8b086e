import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { z } from "zod";
import { openDatabase } from "../../registry/database.ts";
import { versionKey } from "../../registry/target.ts";
import type { Sample } from "./sample.ts";

type Version = { readonly service: string; readonly version: string };

/** A span of one version's load. */
export type RecordedSample = Version & Sample;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Seconds are kept for so long, then minutes. */
const SECONDS_FOR_MS = HOUR_MS;
const MINUTES_FOR_MS = 25 * HOUR_MS;
/** Most versions whose load is kept; those that were used the longest ago go first. */
const MOST_VERSIONS = 500;
/** What is further ahead was written by a clock that has been set back since, or by that of another host. */
const AHEAD_MS = 60_000;

/** `WITHOUT ROWID`: the rows of a version lie side by side. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS loads (
    service TEXT NOT NULL, version TEXT NOT NULL, at_ms INTEGER NOT NULL, span_ms INTEGER NOT NULL,
    in_progress REAL NOT NULL, most REAL NOT NULL, issued INTEGER NOT NULL, instances INTEGER NOT NULL,
    PRIMARY KEY (service, version, at_ms, span_ms)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS loads_at ON loads (at_ms);
`;
const COLUMNS = `service, version, at_ms AS atMs, span_ms AS spanMs, in_progress AS inProgress, most, issued, instances`;

const newestSchema = z.array(z.object({ service: z.string(), version: z.string(), newestMs: z.number() }));
const rowSchema = z.object({
  service: z.string(),
  version: z.string(),
  atMs: z.number(),
  spanMs: z.number(),
  inProgress: z.number(),
  most: z.number(),
  issued: z.number(),
  instances: z.number(),
});

interface Span extends Version {
  readonly atMs: number;
  sum: number;
  count: number;
  most: number;
  issued: number;
  instances: number;
}

/**
 * The load of versions, for simulations: each second of the last hour, each minute of the day before, of the {@link MOST_VERSIONS} that
 * were used last. Spans without load are not kept, so that a version which is used now and then costs little. On a disk it outlives its
 * process; it is worth no wait for that disk, so that the last seconds may be lost with the power.
 */
export class RecordedLoads {
  readonly #database: DatabaseSync;
  readonly #log: Logger | undefined;
  /** The latest second of each version, which a further report may add to; the one that was used the longest ago first. */
  readonly #latest = new Map<string, Span>();
  readonly #pending = new Set<Span>();
  /** By version, when its newest span began, ms since 1970, so that nobody need look through all spans; undefined: to be read. */
  #newest: Map<string, Version & { newestMs: number }> | undefined;
  /** No second is kept of before, ms since 1970: those were made minutes. */
  #secondsFromMs = 0;
  #failed = false;

  /** @param file path, or ":memory:". */
  constructor(file = ":memory:", log?: Logger) {
    this.#log = log;
    this.#database = openDatabase(file, SCHEMA);
    this.#database.exec("PRAGMA synchronous = OFF");
  }

  /** Takes a report of a version's load; it is written by {@link flush}. */
  add(
    { service, version }: Version,
    load: { inProgress: number; issued: number; instances: number },
    atMs: number,
  ): void {
    const { inProgress, issued, instances } = load;
    if (inProgress === 0 && issued === 0 && instances === 0) return;
    const key = versionKey({ service, version });
    const secondMs = Math.floor(atMs / SECOND_MS) * SECOND_MS;
    let span = this.#latest.get(key);
    if (span?.atMs !== secondMs)
      span = { service, version, atMs: secondMs, sum: 0, count: 0, most: 0, issued: 0, instances: 0 };
    span.sum += inProgress;
    span.count += 1;
    span.most = Math.max(span.most, inProgress);
    span.issued += issued;
    span.instances = Math.max(span.instances, instances);
    this.#latest.delete(key);
    this.#latest.set(key, span);
    this.#pending.add(span);
    if (this.#latest.size <= MOST_VERSIONS) return;
    const [oldest] = this.#latest.keys();
    if (oldest !== undefined) this.#latest.delete(oldest);
  }

  /** Writes what was added. */
  flush(): void {
    if (this.#pending.size === 0) return;
    const spans = [...this.#pending];
    this.#pending.clear();
    this.take(
      spans.map(({ sum, count, ...span }) => ({ ...span, spanMs: SECOND_MS, inProgress: sum / count })),
    );
  }

  /** Takes what another orchestrator has recorded, or this one; what is known already is replaced. */
  take(samples: readonly RecordedSample[]): void {
    this.#attempt(() => {
      const write = this.#database.prepare(
        `INSERT OR REPLACE INTO loads SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?4 <> ${SECOND_MS} OR NOT EXISTS (
           SELECT 1 FROM loads WHERE service = ?1 AND version = ?2 AND at_ms = CAST(?3 AS INTEGER) / ${MINUTE_MS} * ${MINUTE_MS} AND span_ms = ${MINUTE_MS})`,
      );
      const seconds = this.#database.prepare(
        `DELETE FROM loads WHERE service = ? AND version = ? AND span_ms = ${SECOND_MS} AND at_ms >= ? AND at_ms < ?`,
      );
      for (const { service, version, atMs, spanMs, inProgress, most, issued, instances } of samples) {
        if (spanMs === MINUTE_MS) seconds.run(service, version, atMs, atMs + MINUTE_MS);
        else this.#secondsFromMs = Math.min(this.#secondsFromMs, atMs);
        write.run(service, version, atMs, spanMs, inProgress, most, issued, instances);
        this.#noteNewest({ service, version }, atMs);
      }
    });
  }

  /** What is known of a version, oldest first. */
  of({ service, version }: Version): Sample[] {
    this.flush();
    const rows = this.#read(
      `SELECT ${COLUMNS} FROM loads WHERE service = ? AND version = ? ORDER BY at_ms`,
      service,
      version,
    );
    return rows.map(({ service: _service, version: _version, ...sample }) => sample);
  }

  /** What is known from a time on (ms since 1970), oldest first; at most so many spans. */
  since(atMs: number, limit: number): RecordedSample[] {
    this.flush();
    return this.#read(`SELECT ${COLUMNS} FROM loads WHERE at_ms >= ? ORDER BY at_ms LIMIT ?`, atMs, limit);
  }

  /** When the newest span began, ms since 1970; 0: there is none. */
  newestMs(): number {
    const [newest] = this.#read(`SELECT ${COLUMNS} FROM loads ORDER BY at_ms DESC LIMIT 1`);
    return newest?.atMs ?? 0;
  }

  /** Makes minutes of what is older than an hour, and forgets what is older than a day, or of too many versions. */
  tidy(nowMs: number): void {
    this.flush();
    this.#attempt(() => {
      const before = Math.floor((nowMs - SECONDS_FOR_MS) / MINUTE_MS) * MINUTE_MS;
      const seconds = `at_ms >= ? AND at_ms < ? AND span_ms = ${SECOND_MS}`;
      this.#database
        .prepare(
          `INSERT OR REPLACE INTO loads SELECT service, version, at_ms / ${MINUTE_MS} * ${MINUTE_MS} AS minute, ${MINUTE_MS},
             sum(in_progress) / ${MINUTE_MS / SECOND_MS}.0, max(most), sum(issued), max(instances)
           FROM loads WHERE ${seconds} GROUP BY service, version, minute`,
        )
        .run(this.#secondsFromMs, before);
      this.#database.prepare(`DELETE FROM loads WHERE ${seconds}`).run(this.#secondsFromMs, before);
      this.#database.prepare("DELETE FROM loads WHERE at_ms < ?").run(nowMs - MINUTES_FOR_MS);
      const ahead = this.#database.prepare("DELETE FROM loads WHERE at_ms > ?").run(nowMs + AHEAD_MS);
      if (ahead.changes > 0) this.#newest = undefined;
      this.#forgetVersions(nowMs);
      this.#secondsFromMs = Math.max(this.#secondsFromMs, before);
    });
  }

  /** Keeps the versions that were used last. */
  #forgetVersions(nowMs: number): void {
    this.#newest ??= this.#readNewest();
    // A minute that is made of seconds begins before them.
    for (const [key, { newestMs }] of this.#newest)
      if (Math.floor(newestMs / MINUTE_MS) * MINUTE_MS < nowMs - MINUTES_FOR_MS) this.#newest.delete(key);
    if (this.#newest.size <= MOST_VERSIONS) return;
    const surplus = [...this.#newest].sort(([, a], [, b]) => b.newestMs - a.newestMs).slice(MOST_VERSIONS);
    const forget = this.#database.prepare("DELETE FROM loads WHERE service = ? AND version = ?");
    for (const [key, { service, version }] of surplus) {
      forget.run(service, version);
      this.#newest.delete(key);
    }
  }

  #readNewest(): Map<string, Version & { newestMs: number }> {
    const query = "SELECT service, version, max(at_ms) AS newestMs FROM loads GROUP BY service, version";
    const rows = newestSchema.parse(this.#database.prepare(query).all());
    return new Map(rows.map((row) => [versionKey(row), row]));
  }

  #noteNewest({ service, version }: Version, atMs: number): void {
    const key = versionKey({ service, version });
    const newestMs = Math.max(atMs, this.#newest?.get(key)?.newestMs ?? 0);
    this.#newest?.set(key, { service, version, newestMs });
  }

  close(): void {
    this.flush();
    this.#database.close();
  }

  #read(query: string, ...values: readonly (string | number)[]): RecordedSample[] {
    try {
      return z.array(rowSchema).parse(this.#database.prepare(query).all(...values));
    } catch (err) {
      this.#log?.warn({ err }, "the recorded load cannot be read");
      return [];
    }
  }

  /** All or nothing. What fails, as on a disk that is full, is lost: nothing else must suffer for it. */
  #attempt(work: () => void): void {
    try {
      this.#database.exec("BEGIN");
      work();
      this.#database.exec("COMMIT");
      this.#failed = false;
    } catch (err) {
      if (!this.#failed) this.#log?.warn({ err }, "the load of versions is not recorded for now");
      this.#failed = true;
      this.#newest = undefined;
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (https://sqlite.org/rescode.html). */
const BROKEN = new Set([11, 26]);

/** Opens what was recorded; what is broken is begun anew, and where nothing can be written it is kept in memory. */
export function openRecordedLoads(file: string | undefined, nowMs: number, log: Logger): RecordedLoads {
  if (file === undefined) return new RecordedLoads();
  const open = () => {
    mkdirSync(dirname(file), { recursive: true });
    const loads = new RecordedLoads(file, log);
    loads.tidy(nowMs);
    return loads;
  };
  try {
    try {
      return open();
    } catch (err) {
      if (!BROKEN.has(Number((err as { errcode?: unknown }).errcode) & 0xff)) throw err;
      log.warn({ err, file }, "the recorded load is broken, as after a power cut; it is begun anew");
      for (const end of ["", "-wal", "-shm"]) rmSync(`${file}${end}`, { force: true });
      return open();
    }
  } catch (err) {
    log.warn({ err, file }, "the load of versions is kept in memory alone: it ends with this process");
    return new RecordedLoads();
  }
}
