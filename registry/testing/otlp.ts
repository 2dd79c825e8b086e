import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { callError } from "../../sdk/grpc.ts";
import { readable } from "../../sdk/tracing/exporter.ts";
import type { FinishedSpan } from "../../sdk/tracing/span.ts";
import { CallCounts } from "../../sdk/usage/counts.ts";
import { encodeCounts } from "../../sdk/usage/encode.ts";

export const TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
export const METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/** Sends an export as it is, and gives the answer's bytes. */
export function sendExport(address: string, path: string, body: Uint8Array): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  const same = (bytes: Buffer) => bytes;
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, Buffer.from(body), new Metadata(), (error, answer) => {
      client.close();
      if (error === null) resolve(answer ?? Buffer.of());
      else reject(callError(error));
    });
  });
}

/** Spans as OpenTelemetry's own serializer writes them. */
export function encodeSpans(service: string, spans: readonly FinishedSpan[]): Uint8Array {
  const resource = resourceFromAttributes({ "service.name": service });
  return (
    ProtobufTraceSerializer.serializeRequest(spans.map((span) => readable(span, resource))) ??
    new Uint8Array()
  );
}

/** What a server of the SDK sends that has answered calls: [method, caller, status number, ms]. */
export function encodeCalls(
  server: { service: string; version?: string; instance?: string },
  calls: readonly (readonly [string, string | undefined, number, number])[],
  counts: CallCounts = new CallCounts(),
): Uint8Array {
  for (const call of calls) counts.add(...call);
  const { service, version = "1.0.0", instance = "one" } = server;
  return encodeCounts({ service, version, instance, host: "here" }, counts, Date.now());
}
