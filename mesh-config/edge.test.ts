import { credentials, Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { listen, unary } from "../sdk/grpc.ts";
import { parseTraceparent } from "../sdk/tracing/index.ts";
import { startRig, startsWhatIsWanted, type TestRig } from "./testing/rig.ts";
import { manifest, type TestMesh, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";
const one = (mesh: TestMesh) => mesh.put(version(manifest(service, "1.0.0")));

test("only the named origins may read what the edge says, its own errors too", async () => {
  rig = await startRig({ prepare: one, corsOrigins: ["https://a.example"] });
  const from = (origin: string, method: string, contentType = "application/grpc-web+proto") =>
    fetch(`http://${rig.edge}/nothing.v1.Nothing/Get`, {
      method,
      headers: {
        origin,
        "access-control-request-method": "POST",
        "content-type": contentType,
      },
    });
  const allowed = async (...call: Parameters<typeof from>) =>
    (await from(...call)).headers.get("access-control-allow-origin");
  expect(await allowed("https://a.example", "POST")).toBe("https://a.example");
  expect(await allowed("https://a.example", "OPTIONS")).toBe("https://a.example");
  expect(await allowed("https://b.example", "POST")).toBeNull();
  expect(await allowed("https://b.example", "OPTIONS")).toBeNull();
  // What no browser sends passes none of the filters that browsers need.
  expect(await allowed("https://a.example", "POST", "application/grpc")).toBeNull();
});

test("a traced call's spans name the cluster, and the context reaches the service", async () => {
  const exported: Buffer[] = [];
  const collector = new Server();
  const raw = (value: Buffer) => value;
  collector.addService(
    {
      export: {
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        requestStream: false,
        responseStream: false,
        requestSerialize: raw,
        requestDeserialize: raw,
        responseSerialize: raw,
        responseDeserialize: raw,
      },
    },
    {
      export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        exported.push(call.request);
        callback(null, Buffer.alloc(0));
      },
    },
  );
  const address = await listen(collector, "127.0.0.1:0");
  try {
    rig = await startRig({ prepare: one, samplingRatio: 0, collector: address });
    const echo = await rig.echo(service, "one");
    startsWhatIsWanted(rig, () => echo.address);
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${trace}-b7ad6b7169203331-01`;
    await rig.client.echo(service, "hi", { metadata: { traceparent } });
    await rig.client.echo(service, "untraced");
    const spans = () => Buffer.concat(exported);
    await expect.poll(() => spans().includes(Buffer.from(trace, "hex")), { timeout: 20_000 }).toBe(true);
    for (const text of ["rouse-edge", `${service}@1.0.0#1`]) expect(spans().includes(text)).toBe(true);
    expect(echo.traceparents()[0]).toContain(trace);
    // The ratio is 0: Envoy begins no trace, and leaves that to whom it calls.
    expect(parseTraceparent(echo.traceparents()[1] ?? "")).toBeUndefined();
  } finally {
    collector.forceShutdown();
  }
});

test("status and wakes are told over gRPC", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  const client = new MeshConfigClient(rig.control().address, credentials.createInsecure());
  try {
    await expect
      .poll(async () =>
        (await unary(client, "getStatus", {})).envoys[0]?.types.map(({ type, resources }) => [
          type,
          resources,
        ]),
      )
      .toEqual([
        ["cluster", 1],
        ["endpoint", 1],
        ["listener", 3],
        ["route", 2],
        ["extension", 0],
      ]);
    const { wakes } = await unary(client, "listWakes", { service, limit: 10 });
    expect(wakes).toMatchObject([{ service, version: "1.0.0", generation: 1, error: "" }]);
    expect((await unary(client, "listWakes", { service: "other", limit: 10 })).wakes).toEqual([]);
  } finally {
    client.close();
  }
});

test("an instance that is said to be ready shares the calls before Consul shows it", async () => {
  rig = await startRig({ prepare: one });
  const first = await rig.echo(service, "one");
  const second = await rig.echo(service, "two");
  startsWhatIsWanted(rig, () => first.address);
  await rig.client.echo(service);
  rig.orchestrator.ready({ service, version: "1.0.0", generation: 1 }, "second", second.address);
  const seen = new Set<string>();
  await expect
    .poll(async () => {
      seen.add(JSON.stringify(await rig.client.echo(service)));
      return seen.size;
    })
    .toBe(2);
});

test("an instance that is gone is UNAVAILABLE, not a hanging call", async () => {
  rig = await startRig({ prepare: one });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  await rig.client.echo(service);
  echo.close();
  await expect.poll(() => rig.client.echo(service)).toMatchObject({ error: { code: status.UNAVAILABLE } });
});
