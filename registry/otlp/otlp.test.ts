import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UsageClient, type UsagePoint } from "#proto/rouse/usage/v1/usage.ts";
import { unary } from "../../sdk/grpc.ts";
import { CallCounts } from "../../sdk/usage/counts.ts";
import { encodeCalls, encodeSpans, METRICS, sendExport, TRACES } from "../testing/otlp.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { UsageStore } from "../usage/store.ts";
import { decodeCallPoints } from "./calls.ts";
import { decodeSpans } from "./spans.ts";

let rig: Rig;
let usage: UsageClient;
beforeAll(async () => {
  rig = await startRig();
  usage = new UsageClient(rig.registry.address, credentials.createInsecure());
});
afterAll(async () => {
  usage?.close();
  await rig?.close();
});

const everything = { version: "", method: "", caller: "", fromMs: 0, toMs: 0, stepMs: 0, groupBy: [] };

async function pointOf(service: string): Promise<UsagePoint | undefined> {
  const { series } = await unary(usage, "queryUsage", { ...everything, service });
  return series[0]?.points[0];
}

test("what servers count is usage: by code, with latencies within 10 %, however often an export comes", async () => {
  const service = "count.v1.Calls";
  const counts = new CallCounts();
  const calls = Array.from({ length: 100 }, (_, index) => ["Get", undefined, 0, index + 1] as const);
  const first = encodeCalls({ service }, [...calls, ["Get", "other.v1.Caller", 5, 10]], counts);
  await sendExport(rig.registry.address, METRICS, first);
  await sendExport(rig.registry.address, METRICS, first);
  const point = await pointOf(service);
  expect(point).toMatchObject({ calls: 101, errors: { NOT_FOUND: 1 } });
  for (const [name, exact] of [
    ["p50Ms", 50],
    ["p90Ms", 90],
    ["p99Ms", 99],
  ] as const)
    expect(Math.abs((point?.[name] ?? 0) - exact) / exact).toBeLessThan(0.1);

  // Sums since the start: only what is new counts, and an older export that comes late says nothing.
  await sendExport(
    rig.registry.address,
    METRICS,
    encodeCalls({ service }, [["Get", undefined, 0, 3]], counts),
  );
  await sendExport(rig.registry.address, METRICS, first);
  expect(await pointOf(service)).toMatchObject({ calls: 102 });
  // Another start of the same instance begins at 0.
  const again = encodeCalls(
    { service },
    [["Get", undefined, 0, 3]],
    Object.assign(new CallCounts(), { startNanos: 1n }),
  );
  await sendExport(rig.registry.address, METRICS, again);
  expect(await pointOf(service)).toMatchObject({ calls: 103 });
});

test("usage by steps, filters and groups; what cannot be answered is said", async () => {
  const service = "query.v1.Calls";
  const calls = [
    ["A", undefined, 0, 1],
    ["A", "one.v1.S", 0, 1],
    ["B", "one.v1.S", 14, 1],
  ] as const;
  await sendExport(rig.registry.address, METRICS, encodeCalls({ service }, calls));
  const now = Date.now();
  const ask = async (more: object) =>
    (await unary(usage, "queryUsage", { ...everything, service, ...more })).series.map((one) => [
      one.method,
      one.caller,
      one.points.map((point) => point.calls),
    ]);
  expect((await ask({ groupBy: ["method", "caller"] })).sort()).toEqual([
    ["A", "one.v1.S", [1]],
    ["A", "outside", [1]],
    ["B", "one.v1.S", [1]],
  ]);
  expect(await ask({ caller: "one.v1.S" })).toEqual([["", "", [2]]]);
  expect(await ask({ method: "B", stepMs: 60_000, fromMs: now - 3_600_000 })).toEqual([["", "", [1]]]);
  expect(await ask({ toMs: now - 86_400_000 })).toEqual([]);
  const fails = async (more: object) =>
    (await failure(unary(usage, "queryUsage", { ...everything, service: "", ...more }))).message;
  expect(await fails({ groupBy: ["colour"] })).toContain(
    'group_by has "colour"; it may have service, version',
  );
  expect(await fails({ stepMs: 1 })).toContain("give at least 60000");
  expect(await fails({ fromMs: 10, toMs: 5 })).toContain("ends before it begins");
  expect(await fails({ stepMs: 60_000, fromMs: now - 40 * 3_600_000 })).toContain("points; at most 2000");
});

test("cold starts and their stages come from the spans of wakes, each once", async () => {
  const [traceId, root] = ["1".repeat(32), "2".repeat(16)];
  const attributes = { service: "cold.v1.Calls", version: "1.0.0", "rouse.cluster": "cold.v1.Calls@1.0.0#1" };
  const startMs = Date.now() - 500;
  const body = encodeSpans("rouse-mesh-config", [
    { traceId, spanId: root, name: "wake cold.v1.Calls@1.0.0", startMs, endMs: startMs + 300, attributes },
    {
      traceId,
      spanId: "3".repeat(16),
      parentSpanId: root,
      name: "wake start",
      startMs,
      endMs: startMs + 100,
      attributes,
    },
    {
      traceId,
      spanId: "4".repeat(16),
      name: "wake cold.v1.Calls@1.0.0",
      startMs,
      endMs: startMs + 9,
      attributes,
      error: "no",
    },
  ]);
  for (let times = 0; times < 3; times++) await sendExport(rig.registry.address, TRACES, body);
  const point = await pointOf("cold.v1.Calls");
  expect(point).toMatchObject({ calls: 0, coldStarts: 1 });
  expect(point?.coldStagesMs.total).toBeCloseTo(300, 0);
  expect(point?.coldStagesMs.start).toBeCloseTo(100, 0);
});

test("spans that cannot be are refused by number and reason, the others are kept", async () => {
  const good = {
    traceId: "a".repeat(32),
    spanId: "b".repeat(16),
    name: "x.v1.Y/Z",
    startMs: Date.now(),
    endMs: 0,
  };
  const answer = await sendExport(
    rig.registry.address,
    TRACES,
    encodeSpans("x.v1.Y", [
      // Its end is before its beginning: it counts as 0 ms.
      { ...good, attributes: { huge: "h".repeat(1_000_000), ["k".repeat(500)]: 1 } },
      { ...good, traceId: "0".repeat(32) },
      { ...good, startMs: Date.now() + 48 * 3_600_000 },
      { ...good, startMs: 1_000 },
    ]),
  );
  expect(answer.toString()).toContain("a trace id is not 16 bytes other than zeros");
  // Field 1 of the partial success: how many.
  expect([...answer.subarray(2, 4)]).toEqual([8, 3]);
  const { spans } = await unary(usage, "getTrace", { traceId: good.traceId });
  expect(spans).toMatchObject([{ durationMs: 0, name: "x.v1.Y/Z" }]);
  expect(spans[0]?.attributes.huge?.length).toBe(1_025);
  expect(Object.keys(spans[0]?.attributes ?? {})).toEqual(["huge"]);
});

test("what is no export is refused by a sentence", async () => {
  const refused = (path: string, body: Uint8Array) => failure(sendExport(rig.registry.address, path, body));
  const malformed = await refused(TRACES, Buffer.from("GET / HTTP/1.1\r\n"));
  expect(malformed).toMatchObject({ status: "INVALID_ARGUMENT", reason: "OTLP_MALFORMED" });
  expect(malformed.message).toContain("This is no OTLP export");
  const large = await refused(METRICS, Buffer.alloc(5 * 2 ** 20));
  expect(large).toMatchObject({ status: "INVALID_ARGUMENT", reason: "OTLP_TOO_LARGE" });
  expect(large.message).toContain("at most 4194304 are taken at once");
  // A count that no server can have had.
  const counts = new CallCounts();
  counts.add("Get", undefined, 0, 1);
  for (const sum of counts.sums()) sum.calls = 2 ** 60;
  const answer = await sendExport(
    rig.registry.address,
    METRICS,
    encodeCalls({ service: "mad.v1.S" }, [], counts),
  );
  expect(answer.toString()).toContain("and a sane count");
  expect(await pointOf("mad.v1.S")).toBeUndefined();
});

test("no bytes do more than throw", () => {
  const real = Buffer.from(encodeCalls({ service: "x.v1.Y" }, [["A", "b", 0, 1]]));
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(real.length - 1),
      fc.nat(255),
      (bytes, at, value) => {
        const broken = Buffer.from(real);
        broken[at] = value;
        for (const decode of [decodeSpans, decodeCallPoints]) {
          for (const input of [bytes, broken]) {
            try {
              decode(input);
            } catch (error) {
              expect(error).toBeInstanceOf(Error);
            }
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("names beyond the limits are counted together, old and surplus rows go, and what was counted is still there after a crash", () => {
  const file = join(rig.dataDir, "small.db");
  const limits = {
    services: 10,
    versionsOfService: 3,
    methodsOfService: 4,
    callersOfService: 5,
    keys: 60,
    rows: 200,
  };
  let now = Date.UTC(2026, 0, 1);
  const store = new UsageStore(file, limits, () => now);
  const buckets = new Map([[0, 1]]);
  const report = (index: number, service: string) => ({
    instance: `i-${index}`,
    key: { service, version: `1.0.${index}`, method: `M${index}`, caller: `c${index}`, code: 0 },
    calls: 1,
    seconds: 0.1,
    buckets,
  });
  store.addReports(Array.from({ length: 5_000 }, (_, index) => report(index, `s${index}.v1.S`)));
  store.addReports(Array.from({ length: 1_000 }, (_, index) => report(index, "s1.v1.S")));
  store.addReports([report(1, "not a name\n"), report(2, "x".repeat(10_000))]);
  const count = (sql: string) => (store.database.prepare(sql).get() as { n: number }).n;
  expect(count("SELECT count(*) AS n FROM key")).toBeLessThanOrEqual(70);
  expect(count("SELECT count(DISTINCT caller) AS n FROM key WHERE service = 's1.v1.S'")).toBeLessThanOrEqual(
    6,
  );
  // Nothing is lost: the surplus is in "other". (i-1 reported s1.v1.S twice with the same sum.)
  expect(count("SELECT sum(calls) AS n FROM calls WHERE width = 0")).toBe(6_001);
  // A second process reads what the first one, which is never closed, has written.
  const next = new UsageStore(file, limits, () => now);
  expect(
    (next.database.prepare("SELECT sum(calls) AS n FROM calls WHERE width = 0").get() as { n: number }).n,
  ).toBe(6_001);
  next.close();
  for (let minute = 0; minute < 20; minute++) {
    now += 60_000;
    store.addReports(
      Array.from({ length: 50 }, (_, index) => ({ ...report(index, `s${index}.v1.S`), calls: minute + 2 })),
    );
  }
  expect(count("SELECT count(*) AS n FROM calls")).toBeGreaterThan(limits.rows);
  store.tidy();
  expect(count("SELECT count(*) AS n FROM calls")).toBeLessThanOrEqual(limits.rows);
  expect(count("SELECT count(*) AS n FROM reported")).toBeLessThanOrEqual(limits.rows);
  now += 900 * 86_400_000;
  store.tidy();
  expect(count("SELECT count(*) AS n FROM calls WHERE width > 0")).toBe(0);
  store.close();
});
