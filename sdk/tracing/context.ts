import { AsyncLocalStorage } from "node:async_hooks";
import { getRandomValues } from "node:crypto";

/** Where a call stands in its trace (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Span of the caller, for what is called from here: 16 hex digits. */
  readonly spanId: string;
  /** The caller records this trace. */
  readonly sampled: boolean;
  /** Vendors' own data, passed on as it came. */
  readonly tracestate?: string;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Parses a traceparent header. By the specification a header that breaks the format is as good as none: undefined.
 * Versions above 00 may have more fields behind the flags.
 */
export function parseTraceparent(header: string, tracestate?: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = pattern.exec(header) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return;
  if (version === "ff" || (version === "00" && rest !== undefined)) return;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return;
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  return tracestate ? { traceId, spanId, sampled, tracestate } : { traceId, spanId, sampled };
}

/** Formats the traceparent header of what is called from here. */
export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? "01" : "00"}`;
}

/** A new trace id. */
export function newTraceId(): string {
  return randomHex(16);
}

/** A new span id. */
export function newSpanId(): string {
  return randomHex(8);
}

function randomHex(bytes: number): string {
  return Buffer.from(getRandomValues(new Uint8Array(bytes)).buffer).toString("hex");
}

/** The context of the server call whose handler runs. */
export const traceStorage = new AsyncLocalStorage<TraceContext>();
