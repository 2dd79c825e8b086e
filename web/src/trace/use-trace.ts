import { useEffect, useState } from "preact/hooks";
import { catalog } from "../api.ts";
import { usage } from "../clients/usage.ts";
import { aroundSpans, type TraceSpan, type WakeRecord, withWakes } from "./spans.ts";

/** A trace while its spans arrive. */
export interface ArrivingTrace {
  readonly spans: readonly TraceSpan[];
  /** More may come. */
  readonly waiting: boolean;
  /** Why there are no spans but the page's own; "": there are. */
  readonly problem: string;
}

const pauseMs = 700;
/** Envoy hands its spans over every 5 s, services theirs within a second or two. */
const longestMs = 12_000;
const leastMs = 6_500;

/**
 * The trace of a call that has ended. Spans have no stream: they are asked for until Envoy's have had time to come.
 *
 * @param page span of the call as this page saw it; undefined: the call goes on.
 */
export function useTrace(traceId: string, page: TraceSpan | undefined): ArrivingTrace {
  const [trace, setTrace] = useState<ArrivingTrace>({ spans: [], waiting: true, problem: "" });
  useEffect(() => {
    if (page === undefined) return undefined;
    setTrace({ spans: [page], waiting: true, problem: "" });
    const controller = new AbortController();
    const { signal } = controller;
    void follow(traceId, page, signal, (next) => {
      if (!signal.aborted) setTrace(next);
    });
    return () => controller.abort();
  }, [traceId, page === undefined]);
  return trace;
}

async function follow(
  traceId: string,
  page: TraceSpan,
  signal: AbortSignal,
  show: (trace: ArrivingTrace) => void,
): Promise<void> {
  const began = performance.now();
  let count = -1;
  for (;;) {
    const [spans, wakes] = await Promise.all([spansOf(traceId, signal), wakesOf(signal)]);
    if (signal.aborted) return;
    const waited = performance.now() - began;
    const found = spans.found.length;
    const settled = found > 0 && found === count && waited > leastMs;
    const waiting = !spans.final && !settled && waited < longestMs;
    const all = withWakes(aroundSpans(page, spans.found), wakes);
    show({ spans: all, waiting, problem: found > 0 || waiting ? "" : spans.problem });
    if (!waiting) return;
    count = found;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

interface Found {
  readonly found: readonly TraceSpan[];
  readonly problem: string;
  /** Asking again is of no use. */
  readonly final: boolean;
}

async function spansOf(traceId: string, signal: AbortSignal): Promise<Found> {
  try {
    const { spans } = await usage.getTrace({ traceId }, { signal });
    return { found: spans, problem: "The mesh has no spans of this call.", final: false };
  } catch (thrown) {
    const { status = "", message = String(thrown) } = thrown as { status?: string; message?: string };
    return { found: [], problem: message, final: status === "UNIMPLEMENTED" };
  }
}

/** The wakes tell more than a trace that has none of their spans; without them the trace still stands. */
async function wakesOf(signal: AbortSignal): Promise<readonly WakeRecord[]> {
  try {
    // All services': a call may wake others on its way.
    const { wakes } = await catalog.listWakes({ service: "", limit: 50 }, { signal });
    return wakes;
  } catch {
    return [];
  }
}
