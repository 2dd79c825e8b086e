import type { Exporter } from "./exporter.ts";
import type { FinishedSpan, TraceResource } from "./span.ts";

/*
 * Spans wait here until the OpenTelemetry exporter is loaded. Loading it takes about 150 ms of CPU, which a waking
 * service does not have: it is loaded a while after the first span, off the path of the first calls.
 */

/** Most spans that wait; more are dropped, the oldest last. */
const limit = 2_048;
const loadDelayMs = 300;

const waiting: { resource: TraceResource; span: FinishedSpan }[] = [];
let exporter: Exporter | undefined;
let loading: Promise<Exporter> | undefined;
let scheduled = false;
const endpoint =
  process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || process.env.OTEL_EXPORTER_OTLP_ENDPOINT || undefined;

/** Whether spans go anywhere: OTEL_EXPORTER_OTLP_ENDPOINT is set. */
export function tracingEnabled(): boolean {
  return endpoint !== undefined;
}

/** Keeps a span for export; does nothing when tracing is off. */
export function recordSpan(resource: TraceResource, span: FinishedSpan): void {
  if (endpoint === undefined) return;
  if (exporter !== undefined) {
    exporter.add(resource, span);
    return;
  }
  if (waiting.length < limit) waiting.push({ resource, span });
  if (scheduled) return;
  scheduled = true;
  setTimeout(load, loadDelayMs).unref();
}

/**
 * Emits spans whose times are known already, such as the stages of a wake, under the name of a service. Does nothing
 * when tracing is off.
 */
export function exportSpans(service: string, spans: readonly FinishedSpan[]): void {
  for (const span of spans) recordSpan({ service }, span);
}

/** Sends what waits. Resolves when the collector has it, or after the time (ms) at the latest. */
export async function flushSpans(timeoutMs = 2_000): Promise<void> {
  if (endpoint === undefined || (exporter === undefined && waiting.length === 0)) return;
  const late = new Promise<void>((resolve) => {
    setTimeout(resolve, timeoutMs).unref();
  });
  await Promise.race([load().then((loaded) => loaded.flush()), late]);
}

function load(): Promise<Exporter> {
  loading ??= (async () => {
    const { Exporter } = await import("./exporter.ts");
    exporter = new Exporter(endpoint ?? "");
    for (const { resource, span } of waiting.splice(0)) exporter.add(resource, span);
    return exporter;
  })();
  return loading;
}
