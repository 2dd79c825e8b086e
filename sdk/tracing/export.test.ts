import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../client/index.ts";
import { startCollector } from "../fixtures/collector.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";
import { collectorTarget } from "./collector-target.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

async function collector(address?: string) {
  const started = await startCollector(address);
  onTestFinished(() => started.close());
  return started;
}

async function startEcho(env: Record<string, string>) {
  const child = fork(join(fixtures, "echo-main.ts"), {
    env: { PATH: process.env.PATH, ROUSE_LISTEN: "127.0.0.1:0", ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [target] = await once(child, "message");
  return {
    target: String(target),
    async stop() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

test("a server begins a trace each second at most for calls that bring none", async () => {
  const { spans, address } = await collector();
  const echo = await startEcho({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://${address}` });
  using client = createClient(echoDefinition, { target: echo.target });
  const beganMs = performance.now();
  let calls = 0;
  for (; spans.length < 2; calls++) await client.say(say("x"));
  const seconds = (performance.now() - beganMs) / 1_000;
  await echo.stop();
  expect(calls).toBeGreaterThan(spans.length);
  expect(spans.length).toBeLessThanOrEqual(seconds + 2);
  for (const span of spans)
    expect(span).toMatchObject({ parentSpanId: "", name: expect.stringContaining("/Say") });
});

test("a sampled call through two services makes one tree of spans, sent at the latest when they stop", async () => {
  const { spans, address } = await collector();
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${address}`, OTEL_TRACES_SAMPLER_ARG: "0" };
  const back = await startEcho({ ...tracing, ROUSE_INSTANCE: "back-1", ROUSE_HOST: "h" });
  const front = await startEcho({
    ...tracing,
    ROUSE_MESH: back.target,
    ROUSE_SERVICE: "test.echo.v1.Echo",
  });
  using client = createClient(echoDefinition, { target: front.target });
  const before = BigInt(Date.now() - 1_000) * 1_000_000n;
  await client.write(say("hello"), { traceparent: `00-${traceId}-${spanId}-01` });
  // The caller does not sample this one: it leaves nothing.
  await client.write(say("hello"), { traceparent: `00-1${traceId.slice(1)}-${spanId}-00` });
  await client.write(say("hello"));
  await Promise.all([front.stop(), back.stop()]);

  expect(spans).toHaveLength(3);
  const [server, outgoing, next] = ["Write:2", "Say:3", "Say:2"].map((wanted) =>
    spans.find(({ name, kind }) => `${name.split("/")[1]}:${kind}` === wanted),
  );
  expect(server).toMatchObject({ traceId, parentSpanId: spanId, name: "test.echo.v1.Echo/Write" });
  expect(outgoing).toMatchObject({ traceId, parentSpanId: server?.spanId, error: undefined });
  expect(next).toMatchObject({
    traceId,
    parentSpanId: outgoing?.spanId,
    resource: {
      "service.name": "test.echo.v1.Echo",
      "service.version": "1.2.3",
      "service.instance.id": "back-1",
      "host.name": "h",
    },
    attributes: {
      "rpc.system": "grpc",
      "rpc.service": "test.echo.v1.Echo",
      "rpc.method": "Say",
      "rpc.grpc.status_code": 0,
    },
  });
  for (const span of spans) {
    expect(span.startNanos).toBeGreaterThan(before);
    expect(span.endNanos).toBeGreaterThanOrEqual(span.startNanos);
  }
});

test("without a caller's word the ratio decides; errors are spans with a status", async () => {
  const { spans, address } = await collector();
  const echo = await startEcho({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${address}`,
    OTEL_TRACES_SAMPLER_ARG: "1",
    ROUSE_MESH: "127.0.0.1:1",
  });
  using client = createClient(echoDefinition, { target: echo.target, retries: 0 });
  await expect(client.write(say("x"), { deadlineMs: 20_000 })).rejects.toMatchObject({
    status: "UNAVAILABLE",
  });
  await echo.stop();
  const server = spans.find(({ kind }) => kind === 2);
  expect(server).toMatchObject({ parentSpanId: "", attributes: { "rpc.grpc.status_code": 14 } });
  expect(server?.error).toContain("127.0.0.1:1");
  expect(spans.find(({ kind }) => kind === 3)).toMatchObject({ parentSpanId: server?.spanId });
});

test("spans with times of their own, over a unix socket", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { spans, address } = await collector(`unix:${folder}/otlp.sock`);
  const env = { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: address };
  await promisify(execFile)(process.execPath, [join(fixtures, "wake-spans.ts")], { env });
  expect(spans).toMatchObject([
    {
      name: "wake",
      resource: { "service.name": "mesh-config" },
      parentSpanId: "",
      kind: 1,
      error: undefined,
    },
    {
      name: "started",
      traceId,
      spanId: "b7ad6b7169203332",
      parentSpanId: spanId,
      attributes: { host: "a", attempt: 1 },
      error: "it ended before it served",
      links: [`1${traceId.slice(1)}`],
    },
  ]);
  const [wake] = spans;
  expect(Number((wake?.endNanos ?? 0n) - (wake?.startNanos ?? 0n)) / 1e6).toBeCloseTo(142.25, 2);
});

test("a collector that hangs holds the end up no longer than it may", async () => {
  // Accepts connections and says nothing.
  const deaf = createServer(() => {}).listen(0, "127.0.0.1");
  await once(deaf, "listening");
  onTestFinished(() => void deaf.close());
  const bound = deaf.address();
  const port = typeof bound === "object" ? bound?.port : 0;
  const env = { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
  const { stdout } = await promisify(execFile)(process.execPath, [join(fixtures, "wake-spans.ts"), "300"], {
    env,
  });
  expect(JSON.parse(stdout)).toHaveProperty("flushMs");
});

test("a collector that is away is told of once", async () => {
  const env = { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };
  const { stderr } = await promisify(execFile)(process.execPath, [join(fixtures, "wake-spans.ts")], { env });
  expect(stderr.match(/Traces cannot be sent to http:\/\/127\.0\.0\.1:1 \(/g)).toHaveLength(1);
});

test("endpoints as people write them", () => {
  expect(collectorTarget("unix:/run/otlp.sock")).toBe("unix:/run/otlp.sock");
  expect(collectorTarget("unix:///run/otlp.sock")).toBe("unix:/run/otlp.sock");
  expect(collectorTarget("http://127.0.0.1:4317/")).toBe("127.0.0.1:4317");
  expect(collectorTarget("https://otlp.example.org:4317")).toBe("otlp.example.org:4317");
  expect(collectorTarget("127.0.0.1:4317")).toBe("127.0.0.1:4317");
});
