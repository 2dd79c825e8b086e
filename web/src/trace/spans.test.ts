import { expect, test } from "vitest";
import { aroundSpans, formatMs, type TraceSpan, wakeSpans, waterfall, withWakes } from "./spans.ts";

const span = (
  spanId: string,
  parentSpanId: string,
  startMs: number,
  durationMs: number,
  attributes = {},
): TraceSpan => ({
  spanId,
  parentSpanId,
  name: spanId,
  service: "s",
  startMs,
  durationMs,
  error: "",
  attributes,
});
const wake = {
  service: "a.B",
  version: "1.0.0",
  generation: 3n,
  heldAtMs: 105,
  stages: [
    { name: "placed", durationMs: 5 },
    { name: "ready", durationMs: 40 },
  ],
  host: "h",
  error: "",
};

test("spans are ordered as a tree; lost parents and circles make roots", () => {
  const { rows, totalMs } = waterfall([
    span("c", "b", 30, 5),
    span("b", "a", 20, 30),
    span("a", "gone", 10, 90),
  ]);
  expect(rows.map(({ span: { spanId }, depth, offsetMs }) => [spanId, depth, offsetMs])).toEqual([
    ["a", 0, 0],
    ["b", 1, 10],
    ["c", 2, 20],
  ]);
  expect(totalMs).toBe(90);
  expect(waterfall([span("x", "y", 0, 1), span("y", "x", 0, 1), span("z", "z", 0, 1)]).rows).toHaveLength(3);
  expect(waterfall([])).toEqual({ rows: [], totalMs: 0 });
});

test("a wake stands below the call that waited for it, once, with its stages", () => {
  const cluster = { upstream_cluster: "a.B@1.0.0#3" };
  const joined = withWakes([span("edge", "", 100, 80, cluster)], [wake]);
  expect(waterfall(joined).rows.map(({ span: { name }, depth, stage }) => [name, depth, stage])).toEqual([
    ["edge", 0, undefined],
    ["wake a.B@1.0.0", 1, undefined],
    ["wake placed", 2, "placed"],
    ["wake ready", 2, "ready"],
  ]);
  expect(withWakes(joined, [wake])).toHaveLength(joined.length);
  // Another generation, and a call long after.
  expect(withWakes([span("edge", "", 100, 80, { upstream_cluster: "a.B@1.0.0#4" })], [wake])).toHaveLength(1);
  expect(withWakes([span("edge", "", 900, 80, cluster)], [wake])).toHaveLength(1);
  expect(wakeSpans(wake, "c", "p")[0]?.durationMs).toBe(45);
});

test("the page's span stands around the mesh's, whatever the clocks say", () => {
  const page = span("page", "", 5_000, 100);
  expect(aroundSpans(page, [])).toEqual([page]);
  expect(aroundSpans(page, [span("edge", "page", 100, 80)])[0]?.startMs).toBe(90);
  expect(aroundSpans(page, [span("edge", "page", 5_010, 80)])[0]?.startMs).toBe(5_000);
});

test("times are short", () => {
  expect([0, 0.123, 12.34, 1_234, 12_345].map(formatMs)).toEqual([
    "0 ms",
    "0.12 ms",
    "12.3 ms",
    "1.23 s",
    "12.3 s",
  ]);
});
