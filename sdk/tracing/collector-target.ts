/** What grpc-js dials for an endpoint as OTEL_EXPORTER_OTLP_ENDPOINT has it. A path of a URL has no meaning for gRPC. */
export function collectorTarget(endpoint: string): string {
  if (endpoint.startsWith("unix:")) return `unix:${endpoint.slice("unix:".length).replace(/^\/\/+/, "/")}`;
  return endpoint.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}
