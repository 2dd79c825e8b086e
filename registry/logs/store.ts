import { EventEmitter } from "node:events";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { AppendLinesRequest } from "#proto/rouse/intake/v1/intake.ts";
import type { LogLine } from "#proto/rouse/usage/v1/usage.ts";
import type { RegistryContext } from "../context.ts";
import { openDatabase, tidyEach } from "../database.ts";
import { SCHEMA } from "./schema.ts";

export interface LogLimits {
  readonly keptMs: number;
  /** Of each host, text and the cost of each line; the oldest lines go first. */
  readonly bytesOfHost: number;
  /** A longer line is cut, characters. */
  readonly lineLength: number;
}

export const LOG_LIMITS: LogLimits = {
  keptMs: 7 * 86_400_000,
  bytesOfHost: 128 * 2 ** 20,
  lineLength: 16_384,
};

/** What a line takes beside its text, bytes. */
const LINE_COST = 40;
const TIDY_MS = 30_000;
/** A clock may be ahead by so much; beyond that the time of arrival counts, ms. */
const AHEAD_MS = 60_000;
/** Lines looked through before others have their turn. */
const SLICE = 2_000;

/** Which lines: empty texts and 0 let everything through. */
export interface LineFilter {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly host: string;
  readonly contains: string;
  readonly fromMs: number;
  readonly toMs: number;
}

interface InstanceRow {
  readonly id: number;
  readonly name: string;
  readonly service: string;
  readonly version: string;
  readonly host: string;
  readonly stdout: number;
  readonly stderr: number;
  readonly last: number;
}

interface LineRow {
  readonly id: number;
  readonly instance: number;
  readonly at: number;
  readonly stderr: number;
  readonly text: string;
}

const open = new WeakMap<RegistryContext, LogStore>();

/** The registry's own store, in `logs.db`. */
export function logStore(context: RegistryContext): LogStore {
  let store = open.get(context);
  if (store === undefined) {
    store = new LogStore(join(context.dataDir, "logs.db"));
    open.set(context, store);
  }
  return store;
}

/** Output of all instances, those that ended and those of dead hosts included. */
export class LogStore {
  readonly limits: LogLimits;
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #news = new EventEmitter().setMaxListeners(0);
  readonly #statements: Record<"find" | "add" | "line" | "moved" | "grow", StatementSync>;

  constructor(file: string, limits: LogLimits = LOG_LIMITS, now: () => number = Date.now) {
    this.limits = limits;
    this.#database = openDatabase(file, SCHEMA);
    this.#now = now;
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#statements = {
      find: prepare("SELECT * FROM instance WHERE name = ?"),
      add: prepare("INSERT INTO instance (name, service, version, host, last) VALUES (?, ?, ?, ?, ?)"),
      line: prepare("INSERT INTO line (instance, at, stderr, text) VALUES (?, ?, ?, ?)"),
      moved: prepare("UPDATE instance SET stdout = ?, stderr = ?, last = ? WHERE id = ?"),
      grow: prepare(
        "INSERT INTO host VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
      ),
    };
    this.#timer = tidyEach(TIDY_MS, () => this.tidy());
  }

  /** Keeps the lines that are new, and tells those who follow. */
  append({ host, instance, service, version, lines }: AppendLinesRequest): void {
    const fresh: LogLine[] = [];
    const now = this.#now();
    this.#transaction(() => {
      const row = this.#instance(instance, service, version, host, now);
      const position = { stdout: row.stdout, stderr: row.stderr };
      let bytes = 0;
      for (const line of lines) {
        const stream = line.stderr ? "stderr" : "stdout";
        if (line.position <= position[stream]) continue;
        position[stream] = line.position;
        const text = cut(line.text, this.limits.lineLength);
        const at = line.atMs > 0 && line.atMs < now + AHEAD_MS ? line.atMs : now;
        this.#statements.line.run(row.id, at, line.stderr ? 1 : 0, text);
        bytes += text.length + LINE_COST;
        fresh.push({ atMs: at, service, version, instance, host, stream, text });
      }
      this.#statements.moved.run(position.stdout, position.stderr, now, row.id);
      if (bytes > 0) this.#statements.grow.run(host, bytes);
    });
    if (fresh.length > 0) this.#news.emit("lines", fresh);
  }

  positions(instance: string): { stdout: number; stderr: number } {
    const { stdout = 0, stderr = 0 } = (this.#statements.find.get(instance) ?? {}) as Partial<InstanceRow>;
    return { stdout, stderr };
  }

  /** The latest lines that pass the filter, oldest first. Looks through them in slices, so that others have their turn. */
  async latest(filter: LineFilter, count: number, signal: AbortSignal): Promise<LogLine[]> {
    const instances = this.#instances(filter);
    const passes = passing(filter);
    const found: LogLine[] = [];
    if (instances.size === 0) return found;
    const all = isEmpty(filter);
    const slice = all
      ? this.#database.prepare("SELECT * FROM line WHERE id < ? ORDER BY id DESC LIMIT ?")
      : this.#database.prepare(
          `SELECT * FROM line WHERE id < ? AND instance IN (${[...instances.keys()].join()}) ORDER BY id DESC LIMIT ?`,
        );
    // Lines come in the order of their arrival, their times within a moment of it.
    for (let before = Number.MAX_SAFE_INTEGER; found.length < count && !signal.aborted; ) {
      const rows = slice.all(before, SLICE) as unknown as LineRow[];
      for (const row of rows) {
        const line = lineOf(row, instances.get(row.instance));
        if (line !== undefined && passes(line) && found.push(line) === count) break;
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < SLICE) break;
      if (filter.fromMs > 0 && last.at < filter.fromMs - AHEAD_MS) break;
      before = last.id;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found.reverse().sort((a, b) => a.atMs - b.atMs);
  }

  /** Calls back with the new lines that pass the filter. @returns what ends that. */
  follow(filter: LineFilter, onLines: (lines: LogLine[]) => void): () => void {
    const passes = passing(filter);
    const listener = (lines: LogLine[]) => {
      const wanted = lines.filter(passes);
      if (wanted.length > 0) onLines(wanted);
    };
    this.#news.on("lines", listener);
    return () => this.#news.off("lines", listener);
  }

  /** Forgets what is too old, and the oldest of each host that has too much. */
  tidy(): void {
    this.#transaction(() => {
      const oldest = this.#now() - this.limits.keptMs;
      this.#delete("SELECT id FROM line WHERE at < ?", oldest);
      const hosts = this.#database.prepare("SELECT name, bytes FROM host").all() as {
        name: string;
        bytes: number;
      }[];
      for (const { name, bytes } of hosts) {
        if (bytes <= this.limits.bytesOfHost) continue;
        // Some room is made, so that not every round deletes.
        const excess = bytes - this.limits.bytesOfHost * 0.9;
        this.#delete(
          `SELECT id FROM (SELECT line.id AS id, length(text) + ${LINE_COST} AS cost,
              sum(length(text) + ${LINE_COST}) OVER (ORDER BY line.id) AS upto
            FROM line JOIN instance ON instance.id = line.instance WHERE host = ?) WHERE upto - cost < ?`,
          name,
          excess,
        );
      }
      // Their positions are wanted as long as an agent may come back with them.
      this.#database
        .prepare("DELETE FROM instance WHERE last < ? AND id NOT IN (SELECT instance FROM line)")
        .run(oldest);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#database.close();
  }

  #delete(ids: string, ...values: (string | number)[]): void {
    const freed = this.#database
      .prepare(
        `SELECT host, sum(length(text) + ${LINE_COST}) AS bytes FROM line JOIN instance ON instance.id = line.instance
          WHERE line.id IN (${ids}) GROUP BY host`,
      )
      .all(...values) as { host: string; bytes: number }[];
    if (freed.length === 0) return;
    this.#database.prepare(`DELETE FROM line WHERE id IN (${ids})`).run(...values);
    for (const { host, bytes } of freed) this.#statements.grow.run(host, -bytes);
  }

  #instance(name: string, service: string, version: string, host: string, now: number): InstanceRow {
    const known = this.#statements.find.get(name) as InstanceRow | undefined;
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#statements.add.run(name, service, version, host, now);
    return { id: Number(lastInsertRowid), name, service, version, host, stdout: 0, stderr: 0, last: now };
  }

  #instances(filter: LineFilter): Map<number, InstanceRow> {
    const wanted = (
      [
        ["service", filter.service],
        ["version", filter.version],
        ["name", filter.instance],
        ["host", filter.host],
      ] as const
    ).filter(([, value]) => value !== "");
    const where = wanted.map(([name]) => ` AND ${name} = ?`).join("");
    const rows = this.#database
      .prepare(`SELECT * FROM instance WHERE last >= ?${where}`)
      .all(filter.fromMs, ...wanted.map(([, value]) => value)) as unknown as InstanceRow[];
    return new Map(rows.map((row) => [row.id, row]));
  }

  #transaction(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

function isEmpty({ service, version, instance, host, fromMs }: LineFilter): boolean {
  return service === "" && version === "" && instance === "" && host === "" && fromMs === 0;
}

function passing(filter: LineFilter): (line: LogLine) => boolean {
  const { service, version, instance, host, fromMs, toMs } = filter;
  const contains = filter.contains.toLowerCase();
  const to = toMs === 0 ? Number.POSITIVE_INFINITY : toMs;
  return (line) =>
    (service === "" || line.service === service) &&
    (version === "" || line.version === version) &&
    (instance === "" || line.instance === instance) &&
    (host === "" || line.host === host) &&
    line.atMs >= fromMs &&
    line.atMs <= to &&
    (contains === "" || line.text.toLowerCase().includes(contains));
}

function lineOf(row: LineRow, from: InstanceRow | undefined): LogLine | undefined {
  if (from === undefined) return undefined;
  const { name: instance, service, version, host } = from;
  const stream = row.stderr === 1 ? "stderr" : "stdout";
  return { atMs: row.at, service, version, instance, host, stream, text: row.text };
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length - length} characters cut)`;
}
