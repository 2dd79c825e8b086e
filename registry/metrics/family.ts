import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from "@opentelemetry/sdk-metrics";
import { type Buckets, upperMs } from "../usage/histogram.ts";

export type Labels = Readonly<Record<string, string>>;

/** Metrics of one name, as Prometheus calls it. */
export interface Family {
  /** Counters get "_total" behind it. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly points: readonly { readonly labels: Labels; readonly value: number }[];
}

/** A histogram of durations in seconds. */
export interface DurationFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "histogram";
  readonly points: readonly {
    readonly labels: Labels;
    readonly buckets: Buckets;
    readonly seconds: number;
  }[];
}

/** Upper ends of the buckets shown, seconds: coarser than those that are kept, for each is a line. */
const BOUNDARIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const scope = { name: "rouse" };
const none = [0, 0] as [number, number];
const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);

/** The families in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export function formatFamilies(families: readonly (Family | DurationFamily)[]): string {
  const metrics = families.filter(({ points }) => points.length > 0).map(metricOf);
  return `${serializer.serialize({ resource: emptyResource(), scopeMetrics: [{ scope, metrics }] }).trimEnd()}\n`;
}

function metricOf(family: Family | DurationFamily): MetricData {
  const descriptor = { name: family.name, description: family.help, unit: "", valueType: 1 };
  const times = { startTime: none, endTime: none };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  if (family.type === "histogram") {
    const dataPoints = family.points.map(
      ({ labels, buckets, seconds }): DataPoint<Histogram> => ({
        ...times,
        attributes: labels,
        value: coarse(buckets, seconds),
      }),
    );
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.points.map(({ labels, value }) => ({ ...times, attributes: labels, value }));
  return family.type === "counter"
    ? { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints };
}

function coarse(buckets: Buckets, seconds: number): Histogram {
  const counts = new Array<number>(BOUNDARIES.length + 1).fill(0);
  let count = 0;
  for (const [index, calls] of buckets) {
    const upper = upperMs(index) / 1_000;
    const found = BOUNDARIES.findIndex((boundary) => upper <= boundary);
    const at = found < 0 ? BOUNDARIES.length : found;
    counts[at] = (counts[at] ?? 0) + calls;
    count += calls;
  }
  return { buckets: { boundaries: BOUNDARIES, counts }, count, sum: seconds };
}
