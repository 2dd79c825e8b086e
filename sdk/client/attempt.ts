import { Metadata } from "@grpc/grpc-js";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import {
  CallSpan,
  formatTraceparent,
  isSampled,
  parseTraceparent,
  type TraceContext,
  type TraceResource,
  traceStorage,
} from "../tracing/index.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import type { Route } from "./route.ts";
import type { ClientCallOptions, ClientOptions } from "./types.ts";

/** What all calls of one client share. */
export interface ClientContext {
  readonly route: Route;
  readonly definition: ServiceDefinition;
  readonly version: string | undefined;
  readonly retries: number;
  /** Most bytes of one response message. */
  readonly maxResponseBytes: number;
}

/** One call as the client sees it, with all its attempts. */
export interface Attempts {
  readonly metadata: Metadata;
  /** Milliseconds since 1970; undefined: none. */
  readonly deadline: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly span: CallSpan | undefined;
  /** Addresses of instances that failed it. */
  readonly avoid: Set<string>;
  /** Attempts that failed, but for those that found the mesh away. */
  failed: number;
  /** The latest attempt went straight to an instance. */
  direct: boolean;
  /** Where it went somebody has answered before. */
  known: boolean;
  /** Since when nobody has been there, by performance.now(); undefined: somebody was. */
  awaySinceMs: number | undefined;
}

/** grpc-js servers take the grpc-timeout header for a 32-bit number of ms. */
const longestDeadlineMs = 2_147_000_000;
const defaultStartTimeoutMs = 30_000;

/** Headers, deadline and span of a call. */
export function prepare(
  context: ClientContext,
  method: AnyMethodDefinition,
  options: ClientCallOptions,
): Attempts {
  const metadata = new Metadata();
  if (context.version !== undefined) metadata.set("rouse-version", context.version);
  if (process.env.ROUSE_SERVICE) metadata.set(CALLER_HEADER, process.env.ROUSE_SERVICE);
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);

  let trace: TraceContext | undefined =
    options.traceparent === undefined ? traceStorage.getStore() : parseTraceparent(options.traceparent);
  let span: CallSpan | undefined;
  if (isSampled(trace)) {
    const { name } = context.definition;
    span = new CallSpan("client", name, method.name, trace, ownResource());
    trace = span.context;
  }
  if (trace !== undefined) {
    metadata.set("traceparent", formatTraceparent(trace));
    if (trace.tracestate) metadata.set("tracestate", trace.tracestate);
  }
  const longestMs = options.deadlineMs ?? defaultDeadlineMs(context.definition, method);
  const deadline = longestMs > 0 ? Date.now() + Math.min(longestMs, longestDeadlineMs) : undefined;
  return {
    metadata,
    deadline,
    signal: options.signal,
    span,
    avoid: new Set(),
    failed: 0,
    direct: false,
    known: false,
    awaySinceMs: undefined,
  };
}

/** The method's longest time, plus that of a wake: the first call of a cold service is held while it starts. */
export function defaultDeadlineMs(definition: ServiceDefinition, method: AnyMethodDefinition): number {
  if (method.deadlineMs === 0) return 0;
  return method.deadlineMs + (definition.startTimeoutMs ?? defaultStartTimeoutMs);
}

/** The service that this process is, for its spans. */
function ownResource(): TraceResource {
  const { ROUSE_SERVICE, ROUSE_VERSION, OTEL_SERVICE_NAME } = process.env;
  const service = ROUSE_SERVICE || OTEL_SERVICE_NAME || "rouse-client";
  return ROUSE_VERSION ? { service, version: ROUSE_VERSION } : { service };
}

/** Where a client dials unless it is told: the mesh's listener for services, then the edge of a local mesh. */
export function defaultTarget(options: ClientOptions): string {
  return options.target || process.env.ROUSE_MESH || "127.0.0.1:8080";
}
