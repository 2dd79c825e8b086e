import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ReceivedSpan, startCollector } from "../sdk/fixtures/collector.ts";
import { formatTraceparent, newSpanId, newTraceId } from "../sdk/tracing/index.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { until, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh, type TestMeshOptions } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const service = "probe.v1.ProbeService";
const kinds = { internal: 1, server: 2, client: 3 };
const stages = ["place", "create", "start", "ready", "push", "release"];

type Collector = Awaited<ReturnType<typeof startCollector>>;

/** What a caller sends that traces its call, or that says not to. */
function caller(sampled: boolean) {
  const traceId = newTraceId();
  const spanId = newSpanId();
  return { traceId, spanId, traceparent: formatTraceparent({ traceId, spanId, sampled }) };
}

function named({ spans }: Collector, name: string): ReceivedSpan[] {
  return spans.filter((span) => span.name === name);
}

/** Resolves to the spans of a trace when it has so many: Envoy hands its own over every 5 s. */
async function trace({ spans }: Collector, traceId: string, count: number): Promise<ReceivedSpan[]> {
  const found = () => spans.filter((span) => span.traceId === traceId);
  await until(`trace ${traceId} has ${count} spans`, async () => found().length >= count);
  return found();
}

/**
 * The spans of a relayed call: Envoy's, the relaying instance's server and client, Envoy's, the echoing instance's.
 *
 * @param parent Span of the caller; "" for none.
 */
function expectRelay(spans: readonly ReceivedSpan[], parent: string): void {
  const chain: ReceivedSpan[] = [];
  for (let id = parent; ; ) {
    const children = spans.filter(({ parentSpanId }) => parentSpanId === id);
    expect(children.length).toBeLessThanOrEqual(1);
    const [child] = children;
    if (child === undefined) break;
    chain.push(child);
    id = child.spanId;
  }
  const of = (version: string) => ({ "service.name": service, "service.version": version });
  expect(chain).toMatchObject([
    {
      resource: { "service.name": "rouse-edge" },
      name: `/${service}/Relay`,
      kind: kinds.server,
      attributes: { upstream_cluster: expect.stringMatching(`^${service}@1.0.0#\\d+$`) },
    },
    { resource: of("1.0.0"), name: `${service}/Relay`, kind: kinds.server },
    { resource: of("1.0.0"), name: `${service}/Echo`, kind: kinds.client },
    {
      resource: { "service.name": "rouse-mesh" },
      name: `/${service}/Echo`,
      kind: kinds.server,
      attributes: { upstream_cluster: expect.stringMatching(`^${service}@2.0.0#\\d+$`) },
    },
    { resource: of("2.0.0"), name: `${service}/Echo`, kind: kinds.server },
  ]);
  expect(spans).toHaveLength(chain.length);
}

/** A mesh that sends its traces to a collector of its own, with two versions of the probe. */
function tracedMesh(runtime: TestMeshOptions["runtime"], ...args: string[]) {
  const made: { collector?: Collector; mesh?: TestMesh } = {};
  const probes: Probe[] = [];
  beforeAll(async () => {
    made.collector = await startCollector();
    const otlp = ["--otlp", made.collector.address, "--trace-sampling", "1"];
    made.mesh = await startMesh({ runtime, args: [...otlp, ...args] });
    for (const version of ["1.0.0", "2.0.0"]) {
      const probe = await makeProbe({ version, idleTimeout: "1s" });
      probes.push(probe);
      await probe.register(made.mesh.data);
    }
  });
  afterAll(async () => {
    await made.mesh?.close();
    made.collector?.close();
    for (const probe of probes) await probe.remove();
  });
  return () => {
    const { collector, mesh } = made;
    if (collector === undefined || mesh === undefined) throw new Error("the mesh did not start");
    return { collector, mesh };
  };
}

/** Has version 1.0.0 call 2.0.0 through the mesh. */
async function relay(mesh: TestMesh, traceparent?: string): Promise<void> {
  using probe = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  const options = traceparent === undefined ? {} : { traceparent };
  const answer = await probe.relay({ text: "hello", version: "2.0.0" }, options);
  expect(answer).toMatchObject({ text: "hello", version: "2.0.0" });
}

const runtimes = [
  { runtime: "process" as const, available: true },
  { runtime: "in-process" as const, available: true },
  await dockerRuntime(),
];
for (const { runtime, available } of runtimes) {
  describe.skipIf(!available)(`traces in the runtime ${runtime}`, () => {
    const running = tracedMesh(runtime);

    test("a cold call through two services is one trace, and each wake a tree of spans", async () => {
      const { mesh, collector } = running();
      await untilCold(mesh, service);
      const { traceId, spanId, traceparent } = caller(true);
      await relay(mesh, traceparent);
      const spans = await trace(collector, traceId, 5);
      expectRelay(spans, spanId);

      for (const version of ["1.0.0", "2.0.0"]) {
        const held = spans.find(({ attributes }) =>
          String(attributes.upstream_cluster).startsWith(`${service}@${version}#`),
        );
        const cluster = held?.attributes.upstream_cluster;
        const ofCluster = () =>
          collector.spans.filter(({ attributes }) => attributes["rouse.cluster"] === cluster);
        await until(`the wake of ${cluster} is there`, async () => ofCluster().length > stages.length);
        const [root, ...more] = ofCluster().filter(({ parentSpanId }) => parentSpanId === "");
        expect(more).toEqual([]);
        expect(root).toMatchObject({
          name: `wake ${service}@${version}`,
          resource: { "service.name": "rouse-mesh-config" },
          kind: kinds.internal,
        });
        const children = ofCluster().filter(({ parentSpanId }) => parentSpanId === root?.spanId);
        expect(children.map(({ name }) => name)).toEqual(stages.map((stage) => `wake ${stage}`));
        // One after the other, from the wake's beginning to its end.
        let before = root?.startNanos;
        for (const child of children) {
          expect(child.traceId).toBe(root?.traceId);
          expect(child.startNanos).toBe(before);
          expect(child.endNanos).toBeGreaterThanOrEqual(child.startNanos);
          before = child.endNanos;
        }
        expect(before).toBeLessThanOrEqual(root?.endNanos ?? 0n);
      }
    });

    test("a call without a traceparent begins a trace, one that is not to be traced leaves nothing", async () => {
      const { mesh, collector } = running();
      const untraced = caller(false);
      await relay(mesh, untraced.traceparent);
      const known = new Set(collector.spans);
      await relay(mesh);
      const begun = () =>
        collector.spans.find((span) => !known.has(span) && span.name === `/${service}/Relay`)?.traceId;
      await until("the call begins a trace", async () => begun() !== undefined);
      expectRelay(await trace(collector, begun() ?? "", 5), "");
      expect(collector.spans.filter(({ traceId }) => traceId === untraced.traceId)).toEqual([]);
    });

    test("sending traces makes none", async () => {
      const { mesh, collector } = running();
      const { traceId, traceparent } = caller(true);
      await relay(mesh, traceparent);
      await trace(collector, traceId, 5);
      // The instances' spans came through the mesh's listener as well.
      expect(collector.spans.filter(({ name }) => name.includes("opentelemetry"))).toEqual([]);
    });
  });
}

describe("sampling", () => {
  const running = tracedMesh("process", "--trace-sampling", "0");

  test("with a share of 0 only those calls are traced whose caller says so", async () => {
    const { mesh, collector } = running();
    await relay(mesh);
    const { traceId, spanId, traceparent } = caller(true);
    await relay(mesh, traceparent);
    expectRelay(await trace(collector, traceId, 5), spanId);
    expect(named(collector, `/${service}/Relay`)).toHaveLength(1);
    expect(named(collector, `${service}/Relay`)).toHaveLength(1);
  });
});
