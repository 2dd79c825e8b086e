import type { Span, TraceSummary } from "#proto/rouse/usage/v1/usage.ts";
import type { SpanRow, WakeRow } from "./store.ts";

/** service.name of the spans of wakes. */
export const MESH_CONFIG = "rouse-mesh-config";

type FindWake = (cluster: string) => WakeRow | undefined;

/**
 * Spans of a trace, and below each of Envoy's spans the wake that it was held for: a wake is a trace of its own, for it may
 * hold many calls.
 */
export function withWakes(
  rows: readonly SpanRow[],
  wakeOf: FindWake,
  spansOf: (traceId: string) => SpanRow[],
): Span[] {
  const spans = rows.map(spanOf);
  for (const { row, wake } of held(rows, wakeOf)) {
    for (const part of spansOf(wake.trace)) {
      const span = spanOf(part);
      spans.push(part.parent === "" ? { ...span, parentSpanId: row.id } : span);
    }
  }
  return spans.sort((a, b) => a.startMs - b.startMs);
}

/** A trace in one line. */
export function summary(rows: readonly SpanRow[], wakeOf: FindWake): TraceSummary {
  const ids = new Set(rows.map(({ id }) => id));
  const root =
    rows.find(({ parent }) => parent === "") ?? rows.find(({ parent }) => !ids.has(parent)) ?? rows[0];
  const startMs = Math.min(...rows.map(({ start }) => start));
  const endMs = Math.max(...rows.map(({ start, duration }) => start + duration));
  return {
    traceId: root?.trace ?? "",
    name: root?.name ?? "",
    startMs,
    durationMs: endMs - startMs,
    error: root?.error || (rows.find(({ error }) => error !== "")?.error ?? ""),
    cold: rows.some(({ service }) => service === MESH_CONFIG) || held(rows, wakeOf).length > 0,
  };
}

/** Calls of a trace that were held, each wake once. */
function held(rows: readonly SpanRow[], wakeOf: FindWake): { row: SpanRow; wake: WakeRow }[] {
  const found = new Map<string, { row: SpanRow; wake: WakeRow }>();
  for (const row of rows) {
    if (row.cluster === "" || row.service === MESH_CONFIG) continue;
    const wake = wakeOf(row.cluster);
    if (wake === undefined || found.has(wake.trace)) continue;
    if (wake.end >= row.start && wake.start <= row.start + row.duration) found.set(wake.trace, { row, wake });
  }
  return [...found.values()];
}

function spanOf(row: SpanRow): Span {
  return {
    spanId: row.id,
    parentSpanId: row.parent,
    name: row.name,
    service: row.service,
    startMs: row.start,
    durationMs: row.duration,
    error: row.error,
    attributes: JSON.parse(row.attributes) as Record<string, string>,
  };
}
