export {
  formatTraceparent,
  newSpanId,
  newTraceId,
  parseTraceparent,
  type TraceContext,
  traceStorage,
} from "./context.ts";
export { exportSpans, flushSpans, recordSpan, tracingEnabled } from "./recorder.ts";
export {
  CallSpan,
  type FinishedSpan,
  isSampled,
  isServerSampled,
  preciseNow,
  type TraceResource,
} from "./span.ts";
