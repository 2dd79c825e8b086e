import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { RegistryContext } from "../context.ts";
import { traceStore } from "../traces/store.ts";
import { MESH_CONFIG } from "../traces/tree.ts";
import { type ColdStage, type Report, usageStore } from "../usage/store.ts";
import { textOf } from "./attributes.ts";
import { type CallPoint, decodeCallPoints } from "./calls.ts";
import type { Forwarder } from "./forwarder.ts";
import { decodeSpans, type OtlpSpan } from "./spans.ts";

const TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/** As the OpenTelemetry Collector's default. */
const MOST_BYTES = 4 * 2 ** 20;

/** What was not taken of an export, for the sender's log. */
interface Rejected {
  readonly count: number;
  readonly why: string;
}

/** Counts of what came, since the registry's start. */
export interface ReceivedCounts {
  spans: number;
  points: number;
  rejected: number;
}

/**
 * Offers OTLP/gRPC on the registry's server: spans become traces and cold starts, servers' sums become usage. An export is
 * answered when what it says is on disk. Everything is also passed on when there is a forwarder.
 */
export function addOtlp(
  server: Server,
  context: RegistryContext,
  forwarder: Forwarder | undefined,
): ReceivedCounts {
  const usage = usageStore(context);
  const traces = traceStore(context);
  const counts: ReceivedCounts = { spans: 0, points: 0, rejected: 0 };
  const receive = (path: string, take: (body: Buffer) => Rejected) => {
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => {
      try {
        const rejected = take(call.request);
        counts.rejected += rejected.count;
        forwarder?.add(path, call.request);
        respond(null, encodeResponse(rejected));
      } catch (thrown) {
        respond(statusObject(thrown));
      }
    };
    server.register(path, handle, same, same, "unary");
  };
  receive(TRACES, (body) => {
    const spans = decoded(body, decodeSpans);
    const problems = spans.map((span) => traces.problem(span));
    const good = spans.filter((_, index) => problems[index] === "");
    usage.addColdStages(good.flatMap(coldStage));
    traces.add(good);
    counts.spans += good.length;
    return { count: spans.length - good.length, why: problems.find((problem) => problem !== "") ?? "" };
  });
  receive(METRICS, (body) => {
    const points = decoded(body, decodeCallPoints);
    const reports = points.flatMap(reportOf);
    usage.addReports(reports);
    counts.points += reports.length;
    return {
      count: points.length - reports.length,
      why: "a point of rpc.server.call.duration needs service.instance.id, rpc.service and rpc.method, and a sane count",
    };
  });
  return counts;
}

function decoded<T>(body: Buffer, decode: (bytes: Uint8Array) => T): T {
  if (body.length > MOST_BYTES)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `This export has ${body.length} bytes; at most ${MOST_BYTES} are taken at once. Send smaller batches.`,
      { reason: "OTLP_TOO_LARGE" },
    );
  try {
    return decode(body);
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `This is no OTLP export (${(cause as Error).message}). Send opentelemetry.proto.collector messages, version 1.`,
      { reason: "OTLP_MALFORMED", cause },
    );
  }
}

const STAGES = new Set(["place", "create", "start", "ready", "push", "release"]);
const LONGEST_S = 3_600;

/** What a span says of a cold start: the whole ("") for the root of a wake, a stage for each child. */
function coldStage(span: OtlpSpan): ColdStage[] {
  if (textOf(span.resource, "service.name") !== MESH_CONFIG) return [];
  const service = textOf(span.attributes, "service");
  const version = textOf(span.attributes, "version");
  const what = /^wake (\S+)$/.exec(span.name)?.[1];
  if (service === "" || what === undefined) return [];
  const root = span.parentSpanId === "";
  if (!root && !STAGES.has(what)) return [];
  const stage = !root ? what : span.error === "" ? "" : "failed";
  const seconds = Math.min(LONGEST_S, Math.max(0, span.endMs - span.startMs) / 1_000);
  return [{ id: `${span.traceId}${span.spanId}`, service, version, stage, seconds }];
}

function reportOf(point: CallPoint): Report[] {
  const { resource, attributes, count, seconds, buckets } = point;
  const instance = textOf(resource, "service.instance.id");
  const service = textOf(attributes, "rpc.service");
  const method = textOf(attributes, "rpc.method");
  const code = Number(textOf(attributes, "rpc.grpc.status_code") || Number.NaN);
  if (instance === "" || service === "" || method === "") return [];
  if (!Number.isSafeInteger(count) || count < 0 || !(seconds >= 0 && seconds < 1e15)) return [];
  return [
    {
      instance: `${instance.slice(0, 128)} ${point.start}`,
      key: {
        service,
        version: textOf(resource, "service.version"),
        method,
        caller: textOf(attributes, "rouse.caller") || "outside",
        code: code in status && code >= 0 ? code : status.UNKNOWN,
      },
      calls: count,
      seconds,
      buckets,
    },
  ];
}

/** ExportTraceServiceResponse and ExportMetricsServiceResponse have the same shape: {partial_success: {rejected, error_message}}. */
function encodeResponse({ count, why }: Rejected): Buffer {
  if (count === 0) return Buffer.of();
  const partial = new BinaryWriter().tag(1, WireType.Varint).int64(count);
  partial.tag(2, WireType.LengthDelimited).string(why);
  return Buffer.from(new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(partial.finish()).finish());
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
