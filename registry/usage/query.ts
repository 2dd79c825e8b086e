import type { QueryUsageRequest, UsagePoint, UsageSeries } from "#proto/rouse/usage/v1/usage.ts";
import { RouseError } from "../../sdk/errors.ts";
import { statusName } from "../../sdk/status.ts";
import { addBuckets, type Buckets, quantileMs, unpackBuckets } from "./histogram.ts";
import { WIDTHS } from "./schema.ts";
import { beginning, type UsageStore } from "./store.ts";

const MOST_POINTS = 2_000;
/** Counts that one answer may be made of: reading them keeps the registry from all else. */
const MOST_ROWS = 200_000;
const DIMENSIONS = ["service", "version", "method", "caller"] as const;
type Dimension = (typeof DIMENSIONS)[number];

/** Points by the minute are read for spans of time up to this, by the hour up to the second; ms. */
const BY_MINUTE_MS = 6 * WIDTHS.hour;
const BY_HOUR_MS = 60 * WIDTHS.day;

interface CallRow {
  readonly service: string;
  readonly version: string;
  readonly method: string;
  readonly caller: string;
  readonly code: number;
  readonly at: number;
  readonly calls: number;
  readonly buckets: string;
}

interface ColdRow {
  readonly service: string;
  readonly version: string;
  readonly stage: string;
  readonly at: number;
  readonly starts: number;
  readonly seconds: number;
}

interface Point {
  calls: number;
  readonly errors: Record<string, number>;
  readonly buckets: Buckets;
  coldStarts: number;
  readonly stages: Map<string, { starts: number; seconds: number }>;
}

/**
 * Answers QueryUsage from the store.
 *
 * @throws RouseError INVALID_ARGUMENT USAGE_QUERY_INVALID.
 */
export function queryUsage(store: UsageStore, request: QueryUsageRequest, nowMs: number): UsageSeries[] {
  const groupBy = dimensions(request.groupBy);
  const toMs = request.toMs === 0 ? nowMs : request.toMs;
  if (request.fromMs > toMs)
    throw invalid("The span of time ends before it begins: give from_ms below to_ms.");
  if (request.stepMs > 0 && request.stepMs < WIDTHS.minute)
    throw invalid(
      `step_ms is ${request.stepMs}; give at least ${WIDTHS.minute} (a minute), or 0 for one point.`,
    );
  const width = widthFor(request, nowMs, toMs);
  const fromMs = beginning(request.fromMs, width);
  const calls = readCalls(store, request, width, fromMs, toMs);
  // A wake is of a version, whatever was called and by whom.
  const wholeVersions = request.method === "" && request.caller === "" && !groupBy.some(isOfCall);
  const cold = wholeVersions ? readCold(store, request, width, fromMs, toMs) : [];
  const firstMs = request.fromMs === 0 ? Math.min(toMs, ...[...calls, ...cold].map(({ at }) => at)) : fromMs;
  const step = request.stepMs === 0 ? 0 : Math.max(width, Math.ceil(request.stepMs / width) * width);
  if (step > 0 && (toMs - firstMs) / step > MOST_POINTS)
    throw invalid(
      `This makes ${Math.ceil((toMs - firstMs) / step)} points; at most ${MOST_POINTS} are answered. Give a longer step_ms or a shorter span.`,
    );
  const table = new Map<string, { series: UsageSeries; points: Map<number, Point> }>();
  const pointOf = (row: CallRow | ColdRow): Point => {
    const names = groupBy.map((name) => (name in row ? row[name as keyof typeof row] : "") as string);
    const key = JSON.stringify(names);
    let entry = table.get(key);
    if (entry === undefined) {
      const series: UsageSeries = { service: "", version: "", method: "", caller: "", points: [] };
      for (const [index, name] of groupBy.entries()) series[name] = names[index] ?? "";
      entry = { series, points: new Map() };
      table.set(key, entry);
    }
    const at = step === 0 ? firstMs : beginning(row.at, step);
    let point = entry.points.get(at);
    if (point === undefined) {
      point = { calls: 0, errors: {}, buckets: new Map(), coldStarts: 0, stages: new Map() };
      entry.points.set(at, point);
    }
    return point;
  };
  for (const row of calls) {
    const point = pointOf(row);
    point.calls += row.calls;
    if (row.code !== 0) {
      const name = statusName(row.code) ?? "UNKNOWN";
      point.errors[name] = (point.errors[name] ?? 0) + row.calls;
    }
    addBuckets(point.buckets, unpackBuckets(row.buckets));
  }
  for (const row of cold) {
    const point = pointOf(row);
    if (row.stage === "") point.coldStarts += row.starts;
    if (row.stage === "failed") continue;
    const stage = point.stages.get(row.stage || "total") ?? { starts: 0, seconds: 0 };
    stage.starts += row.starts;
    stage.seconds += row.seconds;
    point.stages.set(row.stage || "total", stage);
  }
  return [...table.values()]
    .map(({ series, points }) => ({
      ...series,
      points: [...points].sort(([a], [b]) => a - b).map(([at, point]) => pointMessage(at, point)),
    }))
    .sort((a, b) => callsIn(b) - callsIn(a));
}

function pointMessage(atMs: number, { calls, errors, buckets, coldStarts, stages }: Point): UsagePoint {
  return {
    atMs,
    calls,
    errors,
    p50Ms: quantileMs(buckets, 0.5),
    p90Ms: quantileMs(buckets, 0.9),
    p99Ms: quantileMs(buckets, 0.99),
    coldStarts,
    coldStagesMs: Object.fromEntries(
      [...stages].map(([name, { starts, seconds }]) => [name, (seconds / starts) * 1_000]),
    ),
  };
}

function callsIn({ points }: UsageSeries): number {
  return points.reduce((sum, { calls }) => sum + calls, 0);
}

/** The finest width that is kept for the whole span and does not make it long to read. */
function widthFor({ fromMs, stepMs }: QueryUsageRequest, nowMs: number, toMs: number): number {
  const spanMs = toMs - fromMs;
  const step = stepMs === 0 ? Number.POSITIVE_INFINITY : stepMs;
  const fine = spanMs <= BY_MINUTE_MS || step < WIDTHS.hour;
  if (fine && fromMs > nowMs - 2 * WIDTHS.day && spanMs <= 2 * WIDTHS.day) return WIDTHS.minute;
  if (spanMs <= BY_HOUR_MS && fromMs > nowMs - BY_HOUR_MS) return WIDTHS.hour;
  return WIDTHS.day;
}

function readCalls(
  store: UsageStore,
  request: QueryUsageRequest,
  width: number,
  fromMs: number,
  toMs: number,
) {
  const { where, values } = filters(request, DIMENSIONS);
  const rows = store.database
    .prepare(
      `SELECT service, version, method, caller, code, at, calls, buckets FROM key JOIN calls ON key = id
        WHERE width = ? AND at >= ? AND at <= ?${where} LIMIT ${MOST_ROWS + 1}`,
    )
    .all(width, fromMs, toMs, ...values) as unknown as CallRow[];
  if (rows.length <= MOST_ROWS) return rows;
  throw invalid(
    `The answer is made of more than ${MOST_ROWS} counts. Name a service, or give a shorter span of time or a longer step_ms.`,
  );
}

function readCold(
  store: UsageStore,
  request: QueryUsageRequest,
  width: number,
  fromMs: number,
  toMs: number,
) {
  const { where, values } = filters(request, ["service", "version"]);
  return store.database
    .prepare(
      `SELECT service, version, stage, at, starts, seconds FROM cold WHERE width = ? AND at >= ? AND at <= ?${where}`,
    )
    .all(width, fromMs, toMs, ...values) as unknown as ColdRow[];
}

function filters(request: QueryUsageRequest, names: readonly Dimension[]) {
  const used = names.filter((name) => request[name] !== "");
  return {
    where: used.map((name) => ` AND ${name} = ?`).join(""),
    values: used.map((name) => request[name]),
  };
}

function dimensions(names: readonly string[]): Dimension[] {
  const unknown = names.find((name) => !DIMENSIONS.some((dimension) => dimension === name));
  if (unknown !== undefined)
    throw invalid(`group_by has "${unknown.slice(0, 40)}"; it may have ${DIMENSIONS.join(", ")}.`);
  return DIMENSIONS.filter((dimension) => names.includes(dimension));
}

function isOfCall(dimension: Dimension): boolean {
  return dimension === "method" || dimension === "caller";
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "USAGE_QUERY_INVALID" });
}
