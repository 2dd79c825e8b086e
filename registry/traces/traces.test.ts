import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UsageClient } from "#proto/rouse/usage/v1/usage.ts";
import { unary } from "../../sdk/grpc.ts";
import type { OtlpSpan } from "../otlp/spans.ts";
import { encodeSpans, sendExport, TRACES } from "../testing/otlp.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { TRACE_LIMITS, TraceStore } from "./store.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-test-traces-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let stores = 0;
function openStore(limits: Partial<typeof TRACE_LIMITS> = {}, now: () => number = Date.now): TraceStore {
  return new TraceStore(join(folder, `${stores++}.db`), { ...TRACE_LIMITS, ...limits }, now);
}

const id = (number: number) => number.toString(16).padStart(32, "0");

function span(trace: number, part: number, more: Partial<OtlpSpan> = {}): OtlpSpan {
  return {
    resource: { "service.name": "a.v1.A" },
    traceId: id(trace),
    spanId: part.toString(16).padStart(16, "0"),
    parentSpanId: "",
    name: "a.v1.A/Get",
    startMs: Date.now(),
    endMs: Date.now() + 5,
    attributes: {},
    error: "",
    ...more,
  };
}

test("of a mesh that traces more than is kept, whole traces are left out; and no trace grows without end", () => {
  let now = Date.now();
  const store = openStore({ burst: 10, perSecond: 1, spansOfTrace: 3 }, () => now);
  store.add(Array.from({ length: 50 }, (_, index) => span(index + 1, 1)));
  store.add(Array.from({ length: 50 }, (_, index) => span(index + 1, 2)));
  const kept = store.list("a.v1.A", 200);
  expect(kept).toHaveLength(10);
  for (const { traceId } of kept) expect(store.get(traceId)).toHaveLength(2);
  now += 2_000;
  store.add([span(100, 1)]);
  expect(store.list("a.v1.A", 200)).toHaveLength(11);
  store.add(Array.from({ length: 20 }, (_, index) => span(100, index + 1)));
  expect(store.get(id(100))).toHaveLength(3);
  store.close();
});

test("the oldest go when there is too much, and all after a day", () => {
  let now = Date.now();
  const store = openStore({ bytes: 20_000 }, () => now);
  for (let trace = 1; trace <= 100; trace++) {
    store.add([span(trace, 1, { attributes: { text: "x".repeat(1_000) } })]);
    now += 1;
  }
  store.tidy();
  const kept = store.list("", 200).map(({ traceId }) => Number.parseInt(traceId, 16));
  expect(kept.length).toBeLessThan(20);
  expect(Math.max(...kept)).toBe(100);
  expect(Math.min(...kept)).toBe(101 - kept.length);
  now += 25 * 3_600_000;
  store.tidy();
  expect(store.list("", 200)).toEqual([]);
  store.close();
});

let rig: Rig;
test("a call that was held shows the wake that it waited for, and is cold", async () => {
  rig = await startRig();
  const usage = new UsageClient(rig.registry.address, credentials.createInsecure());
  try {
    const startMs = Date.now() - 1_000;
    const [call, wake, later] = [id(1), id(2), id(3)];
    const attributes = { upstream_cluster: "a.v1.A@1.0.0#1" };
    const of = { service: "a.v1.A", version: "1.0.0", "rouse.cluster": "a.v1.A@1.0.0#1" };
    const root = "00000000000000aa";
    const send = (service: string, spans: Parameters<typeof encodeSpans>[1]) =>
      sendExport(rig.registry.address, TRACES, encodeSpans(service, spans));
    await send("rouse-edge", [
      { traceId: call, spanId: root, name: "/a.v1.A/Get", startMs, endMs: startMs + 400, attributes },
      {
        traceId: later,
        spanId: root,
        name: "/a.v1.A/Get",
        startMs: startMs + 500,
        endMs: startMs + 501,
        attributes,
      },
    ]);
    await send("a.v1.A", [
      {
        traceId: call,
        spanId: "00000000000000bb",
        parentSpanId: root,
        name: "a.v1.A/Get",
        startMs: startMs + 390,
        endMs: startMs + 399,
        error: "broken",
      },
    ]);
    await send("rouse-mesh-config", [
      {
        traceId: wake,
        spanId: "00000000000000cc",
        name: "wake a.v1.A@1.0.0",
        startMs: startMs + 5,
        endMs: startMs + 380,
        attributes: of,
      },
      {
        traceId: wake,
        spanId: "00000000000000dd",
        parentSpanId: "00000000000000cc",
        name: "wake start",
        startMs: startMs + 5,
        endMs: startMs + 90,
        attributes: of,
      },
    ]);
    const { spans } = await unary(usage, "getTrace", { traceId: call.toUpperCase() });
    expect(spans.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([
      ["/a.v1.A/Get", ""],
      ["wake a.v1.A@1.0.0", root],
      ["wake start", "00000000000000cc"],
      ["a.v1.A/Get", root],
    ]);
    const { traces } = await unary(usage, "listTraces", { service: "a.v1.A", limit: 0 });
    expect(traces).toMatchObject([
      { traceId: later, cold: false, error: "" },
      { traceId: wake, cold: true },
      { traceId: call, cold: true, error: "broken", name: "/a.v1.A/Get" },
    ]);
    const unknown = await failure(unary(usage, "getTrace", { traceId: id(77) }));
    expect(unknown).toMatchObject({ status: "NOT_FOUND", reason: "TRACE_UNKNOWN" });
    expect(unknown.message).toContain("Traces are kept for 24 h");
    const invalid = await failure(unary(usage, "getTrace", { traceId: "nonsense" }));
    expect(invalid).toMatchObject({ status: "INVALID_ARGUMENT", reason: "TRACE_ID_INVALID" });
    expect(invalid.message).toContain('"nonsense" is no trace id');
  } finally {
    usage.close();
    await rig.close();
  }
});
