import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningRegistry, startRegistry } from "../registry/server.ts";
import { encodeCalls, encodeSpans, METRICS, sendExport, TRACES } from "../registry/testing/otlp.ts";
import { startCollector } from "../sdk/fixtures/collector.ts";
import { newSpanId, newTraceId } from "../sdk/tracing/index.ts";
import { startConsul, type TestConsul } from "./support/consul.ts";
import { until } from "./support/live.ts";
import { makeCollector, type OpenTelemetryCollector } from "./support/otelcol.ts";

let consul: TestConsul;
let behind: Awaited<ReturnType<typeof startCollector>>;
let collector: OpenTelemetryCollector;
let registry: RunningRegistry;
let dataDir: string;
const log: string[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "rouse-test-hand-over-"));
  [consul, behind] = await Promise.all([startConsul(), startCollector()]);
  collector = await makeCollector(behind.address);
  registry = await startRegistry({
    listen: "127.0.0.1:0",
    consul: consul.address,
    dataDir,
    otlp: collector.address,
    log: pino({}, { write: (line: string) => void log.push(line) }),
  });
});
afterAll(async () => {
  await registry?.close();
  await collector?.close();
  behind?.close();
  await consul?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function sendTrace(name: string): Promise<void> {
  const span = {
    traceId: newTraceId(),
    spanId: newSpanId(),
    name,
    startMs: Date.now() - 5,
    endMs: Date.now(),
  };
  await sendExport(registry.address, TRACES, encodeSpans("a.v1.A", [span]));
}

const arrived = (name: string) => behind.spans.filter((span) => span.name === name).length;

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://${registry.httpAddress}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

test("all that the registry takes goes on to an OpenTelemetry Collector, also what came while that was away", async () => {
  await sendTrace("a.v1.A/Early");
  await until("the registry says that nobody answers", async () =>
    log.some((line) => line.includes("do not reach the collector")),
  );
  expect(await metric("rouse_otlp_waiting")).toBe(1);
  await collector.start();
  await until("the early span has arrived", async () => arrived("a.v1.A/Early") === 1);
  await collector.kill();
  await sendTrace("a.v1.A/Between");
  await collector.start();
  await sendTrace("a.v1.A/Late");
  await until(
    "all have arrived",
    async () => arrived("a.v1.A/Between") === 1 && arrived("a.v1.A/Late") === 1,
  );

  const calls = [
    ["Get", undefined, 0, 4],
    ["Get", "b.v1.B", 5, 9],
  ] as const;
  await sendExport(registry.address, METRICS, encodeCalls({ service: "a.v1.A" }, calls));
  await until("the counts have arrived", async () =>
    collector.output().includes("rouse.caller: Str(b.v1.B)"),
  );
  const printed = collector.output();
  for (const text of [
    "Name: rpc.server.call.duration",
    "DataType: ExponentialHistogram",
    "AggregationTemporality: Cumulative",
    "service.instance.id: Str(one)",
    "rpc.grpc.status_code: Int(5)",
    "Count: 1",
  ])
    expect(printed).toContain(text);
  await until(
    "the registry knows that all are delivered",
    async () => (await metric("rouse_otlp_waiting")) === 0,
  );
  expect(await metric("rouse_otlp_forwarded_total")).toBe(4);
  expect(await metric("rouse_otlp_dropped_total")).toBe(0);
});
