import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { globalErrorHandler, setGlobalErrorHandler } from "@opentelemetry/core";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan } from "@opentelemetry/sdk-trace";
import { CollectorClient } from "./collector-client.ts";
import type { FinishedSpan, TraceResource } from "./span.ts";

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;
const scope = { name: "rouse" };
const quietMs = 60_000;

/** Sends spans to a collector over OTLP/gRPC, in batches. */
export class Exporter {
  readonly #collector: CollectorClient;
  readonly #processor: BatchSpanProcessor;
  readonly #resources = new Map<string, Resource>();

  /** @param endpoint As {@link CollectorClient} takes it. */
  constructor(endpoint: string) {
    complainSometimes(endpoint);
    this.#collector = new CollectorClient(endpoint);
    this.#processor = new BatchSpanProcessor({
      exporter: this.#collector,
      scheduledDelayMillis: 500,
      exportTimeoutMillis: 5_000,
      maxQueueSize: 4_096,
    });
  }

  add(resource: TraceResource, span: FinishedSpan): void {
    this.#processor.onEnd(readable(span, this.#resource(resource)));
  }

  /** Sends what waits. A failure is told on standard error: spans must not break what they are about. */
  async flush(): Promise<void> {
    await this.#processor.forceFlush().catch(globalErrorHandler);
    await this.#collector.forceFlush();
  }

  #resource({ service, version }: TraceResource): Resource {
    const { ROUSE_INSTANCE: instance, ROUSE_HOST: host } = process.env;
    // The agent may name the instance after its first spans (sdk/server/notify.ts).
    const key = `${service}@${version}/${instance}`;
    let resource = this.#resources.get(key);
    if (resource === undefined) {
      resource = resourceFromAttributes({
        "service.name": service,
        ...(version && { "service.version": version }),
        ...(instance && { "service.instance.id": instance }),
        ...(host && { "host.name": host }),
      });
      this.#resources.set(key, resource);
    }
    return resource;
  }
}

/** A span as OpenTelemetry has it. */
export function readable(span: FinishedSpan, resource: Resource): ReadableSpan {
  const { traceId, spanId, parentSpanId, startMs, endMs, error } = span;
  const context = (id: string) => ({ traceId, spanId: id, traceFlags: TraceFlags.SAMPLED });
  return {
    name: span.name,
    kind: kinds[span.kind ?? "internal"],
    spanContext: () => context(spanId),
    ...(parentSpanId && { parentSpanContext: context(parentSpanId) }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(Math.max(0, endMs - startMs)),
    status:
      error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    attributes: span.attributes ?? {},
    links: (span.links ?? []).map((link) => ({ context: { ...link, traceFlags: TraceFlags.SAMPLED } })),
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}

/** A collector that is away must be heard of, but not once per batch. */
function complainSometimes(endpoint: string): void {
  let quietUntil = 0;
  setGlobalErrorHandler((problem) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + quietMs;
    const message = problem instanceof Error ? problem.message : String(problem);
    console.error(`Traces cannot be sent to ${endpoint} (${message}). OTEL_EXPORTER_OTLP_ENDPOINT names it.`);
  });
}
