/** A span as the waterfall shows it; Usage.GetTrace's are such. */
export interface TraceSpan {
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  /** ms since 1970. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A wake as Catalog.ListWakes tells it. */
export interface WakeRecord {
  readonly service: string;
  readonly version: string;
  readonly generation: bigint;
  readonly heldAtMs: number;
  readonly stages: readonly { readonly name: string; readonly durationMs: number }[];
  readonly host: string;
  readonly error: string;
}

/** A line of the waterfall. */
export interface WaterfallRow {
  readonly span: TraceSpan;
  readonly depth: number;
  /** ms from the first span's start. */
  readonly offsetMs: number;
  /** Stage of a wake, such as "started". */
  readonly stage: string | undefined;
}

export interface WaterfallModel {
  readonly rows: readonly WaterfallRow[];
  readonly totalMs: number;
}

/** Most lines that are drawn. */
const mostRows = 500;

/** What each stage's time was spent on; spans and records spell the stages differently. */
export const stages: readonly { readonly name: string; readonly span: string; readonly means: string }[] = [
  { name: "held", span: "hold", means: "the call waits in Envoy" },
  { name: "placed", span: "place", means: "a host was chosen" },
  { name: "created", span: "create", means: "bundle or container at hand" },
  { name: "started", span: "start", means: "process runs" },
  { name: "ready", span: "ready", means: "health says SERVING" },
  { name: "pushed", span: "push", means: "cluster sent to Envoy" },
  { name: "released", span: "release", means: "Envoy lets the call go" },
];

/** Orders spans as a tree: children below their parents, by start. A parent that is missing, or a circle, makes a root. */
export function waterfall(spans: readonly TraceSpan[]): WaterfallModel {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const children = new Map<string, TraceSpan[]>();
  const sorted = [...spans].sort((a, b) => a.startMs - b.startMs || b.durationMs - a.durationMs);
  for (const span of sorted) {
    const parent = byId.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const first = Math.min(...sorted.map(({ startMs }) => startMs));
  const last = Math.max(...sorted.map(({ startMs, durationMs }) => startMs + durationMs));
  const rows: WaterfallRow[] = [];
  const seen = new Set<TraceSpan>();
  const visit = (span: TraceSpan, depth: number): void => {
    if (seen.has(span) || rows.length >= mostRows) return;
    seen.add(span);
    rows.push({ span, depth: Math.min(depth, 12), offsetMs: span.startMs - first, stage: stageOf(span) });
    for (const child of children.get(span.spanId) ?? []) visit(child, depth + 1);
  };
  for (const root of children.get("") ?? []) visit(root, 0);
  for (const span of sorted) visit(span, 0);
  return { rows, totalMs: spans.length === 0 ? 0 : Math.max(last - first, 0.001) };
}

function stageOf({ name, attributes }: TraceSpan): string | undefined {
  if (attributes["rouse.stage"] !== undefined) return attributes["rouse.stage"];
  const [, word] = /^wake (\w+)$/.exec(name) ?? [];
  return stages.find((stage) => stage.name === word || stage.span === word)?.name;
}

/** Clocks of the wake's record and of Envoy may be so far apart, ms. */
const slackMs = 50;

/**
 * Adds to each of Envoy's spans the wake that it waited for: the one of the same cluster (`upstream_cluster`) that began
 * within it. Wakes that the spans have already are not added again.
 */
export function withWakes(spans: readonly TraceSpan[], wakes: readonly WakeRecord[]): TraceSpan[] {
  const added: TraceSpan[] = [];
  for (const wake of wakes) {
    const cluster = `${wake.service}@${wake.version}#${wake.generation}`;
    if (
      spans.some(
        ({ name, attributes }) => name.startsWith("wake ") && attributes["rouse.cluster"] === cluster,
      )
    )
      continue;
    const held = spans.find(
      ({ attributes, startMs, durationMs }) =>
        attributes.upstream_cluster === cluster &&
        wake.heldAtMs >= startMs - slackMs &&
        wake.heldAtMs <= startMs + durationMs + slackMs,
    );
    if (held !== undefined) added.push(...wakeSpans(wake, cluster, held.spanId));
  }
  return [...spans, ...added];
}

/** A wake as a span with its stages below it. */
export function wakeSpans(wake: WakeRecord, cluster: string, parentSpanId: string): TraceSpan[] {
  const spanId = `wake ${cluster}`;
  const facts = { service: "rouse-mesh-config", error: "" };
  const attributes = { "rouse.cluster": cluster, host: wake.host };
  let startMs = wake.heldAtMs;
  const parts = wake.stages
    .filter(({ durationMs }) => durationMs > 0)
    .map(({ name, durationMs }) => {
      const span: TraceSpan = {
        ...facts,
        spanId: `${spanId} ${name}`,
        parentSpanId: spanId,
        name: `wake ${name}`,
        startMs,
        durationMs,
        attributes: { ...attributes, "rouse.stage": name },
      };
      startMs += durationMs;
      return span;
    });
  const root = {
    ...facts,
    spanId,
    parentSpanId,
    name: `wake ${wake.service}@${wake.version}`,
    startMs: wake.heldAtMs,
    durationMs: startMs - wake.heldAtMs,
    error: wake.error,
    attributes,
  };
  return [root, ...parts];
}

/** Puts this page's own span around those of the mesh: the clocks of two machines need not agree. */
export function aroundSpans(page: TraceSpan, spans: readonly TraceSpan[]): TraceSpan[] {
  const inner = spans.find(({ parentSpanId }) => parentSpanId === page.spanId);
  if (inner === undefined) return [page, ...spans];
  const fits =
    inner.startMs >= page.startMs && inner.startMs + inner.durationMs <= page.startMs + page.durationMs;
  if (fits) return [page, ...spans];
  const around = Math.max(0, page.durationMs - inner.durationMs) / 2;
  return [{ ...page, startMs: inner.startMs - around }, ...spans];
}

/** "0 ms", "0.42 ms", "12.3 ms", "1.25 s". */
export function formatMs(ms: number): string {
  if (ms === 0) return "0 ms";
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
}
