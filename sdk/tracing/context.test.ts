import { expect, test } from "vitest";
import { formatTraceparent, newSpanId, newTraceId, parseTraceparent } from "./context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a traceparent survives parsing and formatting", () => {
  const header = `00-${traceId}-${spanId}-01`;
  const context = parseTraceparent(header);
  expect(context).toEqual({ traceId, spanId, sampled: true });
  expect(context && formatTraceparent(context)).toBe(header);
  expect(parseTraceparent(`00-${traceId}-${spanId}-00`, "vendor=1")).toEqual({
    traceId,
    spanId,
    sampled: false,
    tracestate: "vendor=1",
  });
});

test("flags other than sampled, and fields of later versions, are let through", () => {
  expect(parseTraceparent(`00-${traceId}-${spanId}-03`)?.sampled).toBe(true);
  expect(parseTraceparent(`01-${traceId}-${spanId}-01-what-follows`)?.sampled).toBe(true);
});

test("what breaks the format is as good as nothing", () => {
  const broken = [
    "",
    "x",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId}-${spanId}`,
  ];
  for (const header of broken) expect(parseTraceparent(header), header).toBeUndefined();
});

test("new ids are ids", () => {
  expect(newTraceId()).toMatch(/^[0-9a-f]{32}$/);
  expect(newSpanId()).toMatch(/^[0-9a-f]{16}$/);
  expect(newSpanId()).not.toBe(newSpanId());
});
