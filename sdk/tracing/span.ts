import { statusCodes } from "../status.ts";
import { formatTraceparent, newSpanId, newTraceId, type TraceContext } from "./context.ts";
import { recordSpan, tracingEnabled } from "./recorder.ts";

/** A span that has ended. */
export interface FinishedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** Milliseconds since 1970, with fractions. */
  startMs: number;
  endMs: number;
  attributes?: Record<string, string | number | boolean>;
  /** What went wrong; absent: nothing did. */
  error?: string;
  /** Spans of other traces that belong to this one, such as the calls that a wake held. */
  links?: { traceId: string; spanId: string }[];
  kind?: "internal" | "server" | "client";
}

/** Who the spans are of. */
export interface TraceResource {
  service: string;
  version?: string;
}

/** Now, in milliseconds since 1970 with microseconds. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** One call under way whose trace is recorded. */
export class CallSpan {
  /** For what is called from here. */
  readonly context: TraceContext;
  readonly #resource: TraceResource;
  readonly #span: FinishedSpan;

  constructor(
    kind: "server" | "client",
    service: string,
    method: string,
    parent: TraceContext | undefined,
    resource: TraceResource,
  ) {
    const traceId = parent?.traceId ?? newTraceId();
    const spanId = newSpanId();
    const tracestate = parent?.tracestate;
    this.context = { traceId, spanId, sampled: true, ...(tracestate && { tracestate }) };
    this.#resource = resource;
    this.#span = {
      traceId,
      spanId,
      ...(parent && { parentSpanId: parent.spanId }),
      name: `${service}/${method}`,
      startMs: preciseNow(),
      endMs: 0,
      attributes: { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method },
      kind,
    };
  }

  get traceparent(): string {
    return formatTraceparent(this.context);
  }

  /** Ends the span with a gRPC status number and, when it is not OK, the status message. */
  end(code: number, message = ""): void {
    const { attributes } = this.#span;
    if (attributes) attributes["rpc.grpc.status_code"] = code;
    if (code !== statusCodes.OK) this.#span.error = message;
    this.#span.endMs = preciseNow();
    recordSpan(this.#resource, this.#span);
  }
}

/**
 * Whether a call is recorded: as its caller says, or, without a caller's word, the share that OTEL_TRACES_SAMPLER_ARG
 * (0 to 1, default 0) gives.
 */
export function isSampled(parent: TraceContext | undefined): boolean {
  if (parent !== undefined) return parent.sampled && tracingEnabled();
  return rootRatio > 0 && tracingEnabled() && Math.random() < rootRatio;
}

/**
 * The same for a call that comes in. Where OTEL_TRACES_SAMPLER_ARG is not set, a server begins a trace each second at the most, so
 * that there is always one to look at, however many calls there are.
 */
export function isServerSampled(parent: TraceContext | undefined): boolean {
  if (parent !== undefined || rootShare !== undefined) return isSampled(parent);
  if (!tracingEnabled()) return false;
  const nowMs = performance.now();
  if (nowMs < nextRootMs) return false;
  nextRootMs = nowMs + ROOTS_EACH_MS;
  return true;
}

const ROOTS_EACH_MS = 1_000;
/** Not for the calls that woke it: a wake is traced anyway, and what exports spans takes 150 ms of CPU to load. */
let nextRootMs = performance.now() + ROOTS_EACH_MS;

const rootShare = process.env.OTEL_TRACES_SAMPLER_ARG;
const rootRatio = Number(rootShare ?? 0) || 0;
