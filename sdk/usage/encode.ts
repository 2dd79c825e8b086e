import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type CallCounts, type CallSum, SCALE, usedBuckets } from "./counts.ts";

/** Who counted. */
export interface CountingServer {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly host: string;
}

const CUMULATIVE = 2;

/*
 * Written by hand (numbers from https://github.com/open-telemetry/opentelemetry-proto, v1: metrics_service.proto,
 * metrics.proto): OpenTelemetry's metrics SDK would cost each instance 150 ms of its start.
 */

/** An ExportMetricsServiceRequest with the histogram "rpc.server.call.duration" of all calls since the server's start. */
export function encodeCounts(server: CountingServer, counts: CallCounts, nowMs: number): Uint8Array {
  const resource = new BinaryWriter();
  attribute(resource, 1, "service.name", server.service);
  attribute(resource, 1, "service.version", server.version);
  attribute(resource, 1, "service.instance.id", server.instance);
  if (server.host !== "") attribute(resource, 1, "host.name", server.host);

  const histogram = new BinaryWriter();
  const nowNanos = BigInt(Math.round(nowMs * 1_000)) * 1_000n;
  for (const sum of counts.sums()) {
    inner(histogram, 1, point(server.service, sum, counts.startNanos, nowNanos));
  }
  histogram.tag(2, WireType.Varint).int32(CUMULATIVE);

  const metric = new BinaryWriter();
  metric.tag(1, WireType.LengthDelimited).string("rpc.server.call.duration");
  metric.tag(2, WireType.LengthDelimited).string("Duration of calls as the server had them.");
  metric.tag(3, WireType.LengthDelimited).string("s");
  inner(metric, 10, histogram);

  const scope = new BinaryWriter();
  inner(scope, 1, new BinaryWriter().tag(1, WireType.LengthDelimited).string("rouse"));
  inner(scope, 2, metric);

  const metrics = new BinaryWriter();
  inner(metrics, 1, resource);
  inner(metrics, 2, scope);
  return inner(new BinaryWriter(), 1, metrics).finish();
}

function point(service: string, sum: CallSum, startNanos: bigint, nowNanos: bigint): BinaryWriter {
  const to = new BinaryWriter();
  attribute(to, 1, "rpc.system", "grpc");
  attribute(to, 1, "rpc.service", service);
  attribute(to, 1, "rpc.method", sum.method);
  attribute(to, 1, "rpc.grpc.status_code", sum.code);
  attribute(to, 1, "rouse.caller", sum.caller);
  to.tag(2, WireType.Bit64).fixed64(startNanos.toString());
  to.tag(3, WireType.Bit64).fixed64(nowNanos.toString());
  to.tag(4, WireType.Bit64).fixed64(String(sum.calls));
  to.tag(5, WireType.Bit64).double(sum.seconds);
  to.tag(6, WireType.Varint).sint32(SCALE);
  const { offset, counts } = usedBuckets(sum.buckets);
  const buckets = new BinaryWriter();
  buckets.tag(1, WireType.Varint).sint32(offset);
  buckets.tag(2, WireType.LengthDelimited).fork();
  for (const count of counts) buckets.uint32(count);
  buckets.join();
  return inner(to, 8, buckets);
}

/** A KeyValue (common.proto). */
function attribute(to: BinaryWriter, field: number, key: string, value: string | number): void {
  const any = new BinaryWriter();
  if (typeof value === "string") any.tag(1, WireType.LengthDelimited).string(value);
  else any.tag(3, WireType.Varint).int64(value);
  const pair = new BinaryWriter();
  pair.tag(1, WireType.LengthDelimited).string(key);
  inner(to, field, inner(pair, 2, any));
}

function inner(to: BinaryWriter, field: number, message: BinaryWriter): BinaryWriter {
  return to.tag(field, WireType.LengthDelimited).bytes(message.finish());
}
