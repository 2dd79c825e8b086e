import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type Buckets, rescaled } from "../usage/histogram.ts";
import { type Attributes, eachField, readAttribute } from "./attributes.ts";
import { eachExported } from "./export.ts";

/** Name of the metric by which servers tell their calls, and its temporality. */
const METRIC = "rpc.server.call.duration";
const CUMULATIVE = 2;

/** What a server has counted since it started, for one combination of attributes. */
export interface CallPoint {
  readonly resource: Attributes;
  readonly attributes: Attributes;
  /** Start of the counting, decimal nanoseconds since 1970: sums of different starts are different sums. */
  start: string;
  count: number;
  seconds: number;
  readonly buckets: Buckets;
}

/**
 * The points of "rpc.server.call.duration" in an ExportMetricsServiceRequest (metrics_service.proto, metrics.proto) that
 * are cumulative exponential histograms, in seconds. Other metrics are passed over.
 *
 * @throws Error for bytes that are none.
 */
export function decodeCallPoints(request: Uint8Array): CallPoint[] {
  const points: CallPoint[] = [];
  eachExported(request, (metric, resource) => decodeMetric(metric, resource, points));
  return points;
}

function decodeMetric(bytes: Uint8Array, resource: Attributes, points: CallPoint[]): void {
  let name = "";
  let histogram: Uint8Array | undefined;
  eachField(bytes, (number, reader) => {
    if (number === 1) name = reader.string();
    else if (number === 10) histogram = reader.bytes();
    else return false;
    return true;
  });
  if (name !== METRIC || histogram === undefined) return;
  const found: CallPoint[] = [];
  let temporality = 0;
  eachField(histogram, (number, reader) => {
    if (number === 1) found.push(decodePoint(reader.bytes(), resource));
    else if (number === 2) temporality = reader.int32();
    else return false;
    return true;
  });
  if (temporality === CUMULATIVE) points.push(...found);
}

function decodePoint(bytes: Uint8Array, resource: Attributes): CallPoint {
  const point: CallPoint = {
    resource,
    attributes: {},
    start: "0",
    count: 0,
    seconds: 0,
    buckets: new Map(),
  };
  let scale = 0;
  let zeros = 0;
  let positive: Uint8Array = new Uint8Array();
  eachField(bytes, (number, reader) => {
    if (number === 1) readAttribute(reader.bytes(), point.attributes);
    else if (number === 2) point.start = String(reader.fixed64());
    else if (number === 4) point.count = Number(reader.fixed64());
    else if (number === 5) point.seconds = reader.double();
    else if (number === 6) scale = reader.sint32();
    else if (number === 7) zeros = Number(reader.fixed64());
    else if (number === 8) positive = reader.bytes();
    else return false;
    return true;
  });
  if (zeros > 0) addTo(point.buckets, rescaled(Number.MIN_SAFE_INTEGER, 3), zeros);
  readBuckets(positive, scale, point.buckets);
  return point;
}

function readBuckets(bytes: Uint8Array, scale: number, to: Buckets): void {
  let offset = 0;
  const counts: number[] = [];
  eachField(bytes, (number, reader) => {
    if (number === 1) offset = reader.sint32();
    else if (number === 2) {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) counts.push(Number(packed.uint64()));
    } else return false;
    return true;
  });
  for (const [at, count] of counts.entries()) if (count > 0) addTo(to, rescaled(offset + at, scale), count);
}

function addTo(buckets: Buckets, index: number, count: number): void {
  buckets.set(index, (buckets.get(index) ?? 0) + count);
}
