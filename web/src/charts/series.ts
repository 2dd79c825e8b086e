/** A point of Usage.QueryUsage. */
export interface UsagePoint {
  readonly atMs: bigint;
  readonly calls: bigint;
  readonly errors: Readonly<Record<string, bigint>>;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly coldStarts: bigint;
  readonly coldStagesMs: Readonly<Record<string, number>>;
}

/** A span of time that can be chosen. */
export interface Range {
  readonly id: string;
  readonly title: string;
  readonly ms: number;
  /** Width of a point, ms. */
  readonly stepMs: number;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export const ranges: readonly Range[] = [
  { id: "1h", title: "Hour", ms: hour, stepMs: minute },
  { id: "24h", title: "Day", ms: day, stepMs: 30 * minute },
  { id: "7d", title: "Week", ms: 7 * day, stepMs: 3 * hour },
  { id: "30d", title: "30 days", ms: 30 * day, stepMs: 12 * hour },
];

/** One value for each point in time; undefined: there was nothing to measure. */
export interface Line {
  readonly name: string;
  /** Class that gives the colour. */
  readonly color: string;
  readonly values: readonly (number | undefined)[];
}

/** All that the charts of a page show. */
export interface Charted {
  /** Beginnings of the points, ms since 1970. */
  readonly times: readonly number[];
  readonly calls: readonly Line[];
  readonly latency: readonly Line[];
  readonly cold: readonly Line[];
  /** Errors by code, most frequent first. */
  readonly errors: readonly Line[];
}

/** Puts points on an even grid; where there is none, nothing was called. */
export function chart(points: readonly UsagePoint[], fromMs: number, toMs: number, stepMs: number): Charted {
  const first = Math.floor(fromMs / stepMs) * stepMs;
  const times: number[] = [];
  for (let at = first; at < toMs; at += stepMs) times.push(at);
  const byTime = new Map(points.map((point) => [Math.floor(Number(point.atMs) / stepMs) * stepMs, point]));
  const at = times.map((time) => byTime.get(time));
  const errorsOf = (point: UsagePoint | undefined) =>
    Object.values(point?.errors ?? {}).reduce((sum, count) => sum + Number(count), 0);
  const quantile = (name: string, key: "p50Ms" | "p90Ms" | "p99Ms"): Line => ({
    name,
    color: name,
    values: at.map((point) => (point === undefined || point.calls === 0n ? undefined : point[key])),
  });
  return {
    times,
    calls: [
      { name: "OK", color: "ok", values: at.map((p) => Math.max(0, Number(p?.calls ?? 0n) - errorsOf(p))) },
      { name: "errors", color: "bad", values: at.map(errorsOf) },
    ],
    latency: [quantile("p50", "p50Ms"), quantile("p90", "p90Ms"), quantile("p99", "p99Ms")],
    cold: [{ name: "cold starts", color: "cold", values: at.map((p) => Number(p?.coldStarts ?? 0n)) }],
    errors: errorCodes(points).map((code, i) => ({
      name: code,
      color: `code-${i % 6}`,
      values: at.map((p) => Number(p?.errors[code] ?? 0n)),
    })),
  };
}

function errorCodes(points: readonly UsagePoint[]): string[] {
  const totals = new Map<string, number>();
  for (const { errors } of points)
    for (const [code, count] of Object.entries(errors))
      totals.set(code, (totals.get(code) ?? 0) + Number(count));
  return [...totals].sort((a, b) => b[1] - a[1]).map(([code]) => code);
}

/** Sum of a line. */
export function total({ values }: Line): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** Round marks from 0 to at least `most`: 1, 2 or 5 times a power of ten apart, at most five. */
export function marks(most: number, whole: boolean): number[] {
  const least = Math.max(most, whole ? 1 : 1e-3) / 4;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= least) ?? 10 * power;
  const size = whole ? Math.max(1, step) : step;
  const found: number[] = [0];
  for (let i = 1; found.at(-1) !== undefined && (found.at(-1) ?? 0) < most; i++) found.push(i * size);
  return found.length === 1 ? [0, size] : found;
}

/** Labels of a time axis: hours within a day, days beyond. */
export function timeLabel(atMs: number, rangeMs: number): string {
  const date = new Date(atMs);
  return rangeMs > 2 * day
    ? date.toLocaleDateString(undefined, { month: "short", day: "numeric" })
    : date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}
