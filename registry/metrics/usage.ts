import { statusName } from "../../sdk/status.ts";
import { addBuckets, type Buckets, unpackBuckets } from "../usage/histogram.ts";
import { WIDTHS } from "../usage/schema.ts";
import type { UsageStore } from "../usage/store.ts";
import type { DurationFamily, Family, Labels } from "./family.ts";

/** Most lines of one family: a scrape must stay small, whatever names there are. The longest known come first. */
const MOST_SERIES = 10_000;

interface CallRow {
  readonly service: string;
  readonly version: string;
  readonly method: string;
  readonly caller: string;
  readonly code: number;
  readonly calls: number;
  readonly seconds: number;
  readonly buckets: string;
}

interface ColdRow {
  readonly service: string;
  readonly version: string;
  readonly stage: string;
  readonly starts: number;
  readonly seconds: number;
  readonly buckets: string;
}

/** Calls and cold starts since the beginning of the store: they go on counting over restarts. */
export function usageFamilies({ database }: UsageStore): (Family | DurationFamily)[] {
  const calls = database
    .prepare(
      `SELECT service, version, method, caller, code, calls, seconds, buckets FROM key JOIN calls ON key = id
        WHERE width = ? ORDER BY id LIMIT ?`,
    )
    .all(WIDTHS.ever, MOST_SERIES) as unknown as CallRow[];
  const cold = database
    .prepare("SELECT service, version, stage, starts, seconds, buckets FROM cold WHERE width = ? LIMIT ?")
    .all(WIDTHS.ever, MOST_SERIES) as unknown as ColdRow[];
  const ofStage = (row: ColdRow) => ({
    labels: { service: row.service, version: row.version, ...(row.stage && { stage: row.stage }) },
    buckets: unpackBuckets(row.buckets),
    seconds: row.seconds,
  });
  return [
    {
      name: "rouse_calls",
      help: "Calls that instances have answered, by caller and gRPC status.",
      type: "counter",
      points: calls.map(({ service, version, method, caller, code, calls: value }) => ({
        labels: { service, version, method, caller, code: statusName(code) ?? String(code) },
        value,
      })),
    },
    {
      name: "rouse_call_duration_seconds",
      help: "Duration of calls as the server had them.",
      type: "histogram",
      points: byMethod(calls),
    },
    {
      name: "rouse_cold_start_seconds",
      help: "Cold starts, from the first held call to its release.",
      type: "histogram",
      points: cold.filter(({ stage }) => stage === "").map(ofStage),
    },
    {
      name: "rouse_cold_start_stage_seconds",
      help: "Stages of cold starts.",
      type: "histogram",
      points: cold.filter(({ stage }) => stage !== "" && stage !== "failed").map(ofStage),
    },
    {
      name: "rouse_cold_starts_failed",
      help: "Wakes that came to nothing.",
      type: "counter",
      points: cold
        .filter(({ stage }) => stage === "failed")
        .map(({ service, version, starts }) => ({ labels: { service, version }, value: starts })),
    },
  ];
}

function byMethod(rows: readonly CallRow[]): DurationFamily["points"] {
  const sums = new Map<string, { labels: Labels; buckets: Buckets; seconds: number }>();
  for (const { service, version, method, seconds, buckets } of rows) {
    const key = JSON.stringify([service, version, method]);
    const sum = sums.get(key) ?? { labels: { service, version, method }, buckets: new Map(), seconds: 0 };
    sum.seconds += seconds;
    addBuckets(sum.buckets, unpackBuckets(buckets));
    sums.set(key, sum);
  }
  return [...sums.values()];
}
