import { Client, credentials } from "@grpc/grpc-js";
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { collectorTarget, untraced } from "./collector-target.ts";

const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const timeoutMs = 5_000;

/**
 * Hands spans to a collector over OTLP/gRPC. OpenTelemetry's own exporter requires grpc-js under a name that bundlers
 * do not see, so it does not work in a bundle; its serializer does.
 */
export class CollectorClient implements SpanExporter {
  readonly #grpc: Client;
  readonly #underway = new Set<Promise<void>>();

  /** @param endpoint "http://host:port", "https://host:port", "host:port" or "unix:/path". */
  constructor(endpoint: string) {
    const secure = endpoint.startsWith("https://");
    this.#grpc = new Client(
      collectorTarget(endpoint),
      secure ? credentials.createSsl() : credentials.createInsecure(),
      { "grpc.service_config_disable_resolution": 1 },
    );
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    const body = ProtobufTraceSerializer.serializeRequest(spans);
    if (body === undefined) {
      done({ code: ExportResultCode.FAILED, error: new Error("the spans cannot be encoded") });
      return;
    }
    const same = (bytes: Buffer) => bytes;
    const deadline = Date.now() + timeoutMs;
    const sent = new Promise<void>((resolve) => {
      this.#grpc.makeUnaryRequest(path, same, same, Buffer.from(body), untraced(), { deadline }, (error) => {
        this.#underway.delete(sent);
        resolve();
        done(error === null ? { code: ExportResultCode.SUCCESS } : { code: ExportResultCode.FAILED, error });
      });
    });
    this.#underway.add(sent);
  }

  /** Resolves when no export is under way; the batch processor waits only for those that it begins to flush. */
  async forceFlush(): Promise<void> {
    await Promise.all(this.#underway);
  }

  async shutdown(): Promise<void> {
    this.#grpc.close();
  }
}
