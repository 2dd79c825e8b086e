import { Metadata } from "@grpc/grpc-js";
import { formatTraceparent, newSpanId, newTraceId } from "./context.ts";

/** What grpc-js dials for an endpoint as OTEL_EXPORTER_OTLP_ENDPOINT has it. A path of a URL has no meaning for gRPC. */
export function collectorTarget(endpoint: string): string {
  if (endpoint.startsWith("unix:")) return `unix:${endpoint.slice("unix:".length).replace(/^\/\/+/, "/")}`;
  return endpoint.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

/** Headers of an export: spans about the sending of spans would never end, so it is not to be traced. */
export function untraced(): Metadata {
  const metadata = new Metadata();
  const none = { traceId: newTraceId(), spanId: newSpanId(), sampled: false };
  metadata.set("traceparent", formatTraceparent(none));
  return metadata;
}
