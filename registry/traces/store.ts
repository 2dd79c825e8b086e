import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Span, TraceSummary } from "#proto/rouse/usage/v1/usage.ts";
import type { RegistryContext } from "../context.ts";
import { openDatabase, tidyEach } from "../database.ts";
import { textOf } from "../otlp/attributes.ts";
import type { OtlpSpan } from "../otlp/spans.ts";
import { Admission } from "./admission.ts";
import { SCHEMA } from "./schema.ts";
import { MESH_CONFIG, summary, withWakes } from "./tree.ts";

export interface TraceLimits {
  readonly keptMs: number;
  /** Of all traces together, as text; the oldest go first. */
  readonly bytes: number;
  readonly spansOfTrace: number;
  /** Traces that may begin per second, and at once after a quiet time. */
  readonly perSecond: number;
  readonly burst: number;
}

export const TRACE_LIMITS: TraceLimits = {
  keptMs: 24 * 3_600_000,
  bytes: 64 * 2 ** 20,
  spansOfTrace: 1_000,
  perSecond: 50,
  burst: 500,
};

/** A clock may be ahead by so much, ms. */
const AHEAD_MS = 3_600_000;
const TIDY_MS = 10_000;

/** A span as the database has it. */
export interface SpanRow {
  readonly trace: string;
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  readonly service: string;
  readonly start: number;
  readonly duration: number;
  readonly error: string;
  /** JSON of an object of texts. */
  readonly attributes: string;
  /** Envoy cluster that the call went to, or that the wake brought up. */
  readonly cluster: string;
}

export interface WakeRow {
  readonly cluster: string;
  readonly trace: string;
  readonly start: number;
  readonly end: number;
}

const open = new WeakMap<RegistryContext, TraceStore>();

/** The registry's own store, in `traces.db`. */
export function traceStore(context: RegistryContext): TraceStore {
  let store = open.get(context);
  if (store === undefined) {
    store = new TraceStore(join(context.dataDir, "traces.db"));
    open.set(context, store);
  }
  return store;
}

/** Single traces, for a while. */
export class TraceStore {
  readonly limits: TraceLimits;
  readonly #database: DatabaseSync;
  readonly #admission: Admission;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;

  constructor(file: string, limits: TraceLimits = TRACE_LIMITS, now: () => number = Date.now) {
    this.limits = limits;
    this.#database = openDatabase(file, SCHEMA);
    this.#now = now;
    this.#admission = new Admission(limits.perSecond, limits.burst, now);
    this.#timer = tidyEach(TIDY_MS, () => this.tidy());
  }

  /** Why a span is not taken; "" when it is. */
  problem({ traceId, spanId, startMs, endMs }: OtlpSpan): string {
    if (!/^(?!0+$)[0-9a-f]{32}$/.test(traceId)) return "a trace id is not 16 bytes other than zeros";
    if (!/^(?!0+$)[0-9a-f]{16}$/.test(spanId)) return "a span id is not 8 bytes other than zeros";
    const now = this.#now();
    if (!(startMs > now - this.limits.keptMs && startMs < now + AHEAD_MS) || !Number.isFinite(endMs))
      return "a span begins more than a day ago or more than an hour from now: see to the clock of who sends it";
    return "";
  }

  /** Keeps spans that have no {@link problem}. One that comes twice is kept once. */
  add(spans: readonly OtlpSpan[]): void {
    const insertTrace = this.#database.prepare(
      "INSERT INTO trace (id, spans, bytes, at) VALUES (?, 0, 0, ?) ON CONFLICT DO NOTHING",
    );
    const sizeOf = this.#database.prepare("SELECT spans FROM trace WHERE id = ?");
    const grow = this.#database.prepare("UPDATE trace SET spans = spans + 1, bytes = bytes + ? WHERE id = ?");
    const insertSpan = this.#database.prepare(
      "INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    const insertPart = this.#database.prepare("INSERT INTO part VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    const insertWake = this.#database.prepare("INSERT OR REPLACE INTO wake VALUES (?, ?, ?, ?)");
    const now = this.#now();
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const span of spans) {
        const row = rowOf(span);
        const isWake = row.service === MESH_CONFIG;
        const known = sizeOf.get(row.trace) as { spans: number } | undefined;
        if (known === undefined) {
          // Wakes are few, and each explains many calls.
          if (!isWake && !this.#admission.admit(row.trace)) continue;
          insertTrace.run(row.trace, now);
        } else if (known.spans >= this.limits.spansOfTrace) continue;
        const { changes } = insertSpan.run(...(Object.values(row) as (string | number)[]));
        if (changes === 0) continue;
        grow.run(Object.values(row).join("").length + 100, row.trace);
        const service = partOf(span);
        if (service !== "") insertPart.run(service, row.trace, now);
        if (isWake && row.parent === "" && row.cluster !== "")
          insertWake.run(row.cluster, row.trace, row.start, row.start + row.duration);
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** The spans of a trace, with those of the wakes that its calls were held for; none when it is not kept. */
  get(traceId: string): Span[] {
    return withWakes(
      this.#spansOf(traceId),
      (cluster) => this.#wakeOf(cluster),
      (id) => this.#spansOf(id),
    );
  }

  /** The latest traces that a service takes part in (any for ""), newest first. */
  list(service: string, limit: number): TraceSummary[] {
    const rows =
      service === ""
        ? this.#database.prepare("SELECT id FROM trace ORDER BY at DESC LIMIT ?").all(limit)
        : this.#database
            .prepare("SELECT trace AS id FROM part WHERE service = ? ORDER BY at DESC LIMIT ?")
            .all(service, limit);
    return (rows as { id: string }[])
      .map(({ id }) => summary(this.#spansOf(id), (cluster) => this.#wakeOf(cluster)))
      .sort((a, b) => b.startMs - a.startMs);
  }

  /** Forgets what is too old, and the oldest of what is too much. */
  tidy(): void {
    this.#database.prepare("DELETE FROM trace WHERE at < ?").run(this.#now() - this.limits.keptMs);
    const total = this.#database.prepare("SELECT coalesce(sum(bytes), 0) AS bytes FROM trace").get() as {
      bytes: number;
    };
    if (total.bytes <= this.limits.bytes) return;
    // Some room is made, so that not every round deletes.
    let excess = total.bytes - this.limits.bytes * 0.9;
    const drop = this.#database.prepare("DELETE FROM trace WHERE id = ?");
    const oldest = this.#database.prepare("SELECT id, bytes FROM trace ORDER BY at").all() as {
      id: string;
      bytes: number;
    }[];
    for (const { id, bytes } of oldest) {
      if (excess <= 0) break;
      drop.run(id);
      excess -= bytes;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#database.close();
  }

  #spansOf(traceId: string): SpanRow[] {
    return this.#database
      .prepare("SELECT * FROM span WHERE trace = ? ORDER BY start, id")
      .all(traceId) as unknown as SpanRow[];
  }

  #wakeOf(cluster: string): WakeRow | undefined {
    return this.#database.prepare("SELECT * FROM wake WHERE cluster = ?").get(cluster) as WakeRow | undefined;
  }
}

function rowOf(span: OtlpSpan): SpanRow {
  const attributes = Object.fromEntries(
    Object.entries(span.attributes).map(([name, value]) => [name, String(value)]),
  );
  for (const name of ["service.version", "service.instance.id", "host.name"]) {
    const value = textOf(span.resource, name);
    if (value !== "") attributes[name] = value;
  }
  return {
    trace: span.traceId,
    id: span.spanId,
    parent: span.parentSpanId,
    name: span.name,
    service: textOf(span.resource, "service.name"),
    start: span.startMs,
    duration: Math.max(0, span.endMs - span.startMs),
    error: span.error,
    attributes: JSON.stringify(attributes),
    cluster: textOf(span.attributes, "upstream_cluster") || textOf(span.attributes, "rouse.cluster"),
  };
}

/** The service that a span is about. */
function partOf(span: OtlpSpan): string {
  return (
    textOf(span.attributes, "rpc.service") ||
    (/^\/?([\w.]{1,256})\/\w+$/.exec(span.name)?.[1] ?? "") ||
    textOf(span.attributes, "service")
  );
}
