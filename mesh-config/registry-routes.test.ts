import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { type HttpRoute, plain, type RunningHttp, startHttp } from "../registry/http.ts";
import { startEcho } from "./testing/echo.ts";
import { startRig, type TestRig } from "./testing/rig.ts";
import { manifest, type TestMesh, version } from "./testing/state.ts";

let rig: TestRig;
let http: RunningHttp | undefined;
afterEach(async () => {
  await rig.close();
  await http?.close();
  http = undefined;
});

const service = "echo.v1.EchoService";
const one = (mesh: TestMesh) => mesh.put(version(manifest(service, "1.0.0")));

test("the mesh's own services are called through both listeners, and nobody can take their names", async () => {
  const catalog = await startEcho("rouse.catalog.v1.Catalog", "catalog");
  try {
    rig = await startRig({
      registry: catalog.address,
      prepare: (mesh) => mesh.put(version(manifest("rouse.catalog.v1.Catalog", "1.0.0"))),
    });
    for (const client of [rig.client, rig.inner]) {
      expect(await client.echo("rouse.catalog.v1.Catalog")).toEqual({ text: "catalog:hi" });
    }
    const stream = rig.client.chat("rouse.catalog.v1.Catalog");
    stream.write(Buffer.from("there"));
    expect(String(await new Promise((resolve) => stream.once("data", resolve)))).toBe("there");
    stream.cancel();
    stream.on("error", () => undefined);
  } finally {
    catalog.close();
  }
});

test("without a registry its services are unknown", async () => {
  rig = await startRig({ prepare: one });
  const { error } = (await rig.client.echo("rouse.catalog.v1.Catalog")) as { error: { details: string } };
  expect(error.details).toContain("No service of this name");
});

test("pages come from the registry's HTTP side, and wake nothing", async () => {
  const seen: string[] = [];
  const page: HttpRoute = {
    prefix: "/",
    handle: (request, response, url) => {
      seen.push(`${request.method} ${url.pathname}`);
      plain(response, 200, "page");
    },
  };
  const metrics: HttpRoute = {
    prefix: "/metrics",
    local: true,
    handle: (_, response) => plain(response, 200, "secret"),
  };
  http = await startHttp("127.0.0.1:0", [page, metrics], pino({ level: "silent" }));
  rig = await startRig({ prepare: one, registryHttp: http.address });
  const request = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://${rig.edge}${path}`, { method, headers });
    return {
      status: response.status,
      text: await response.text(),
      grpc: response.headers.get("grpc-status"),
    };
  };
  expect(await request("GET", "/")).toMatchObject({ status: 200, text: "page\n" });
  expect(await request("GET", `/${service}/Echo`)).toMatchObject({ text: "page\n" });
  expect(await request("POST", "/mcp", { "content-type": "application/json" })).toMatchObject({
    text: "page\n",
  });
  expect(await request("DELETE", "/mcp")).toMatchObject({ text: "page\n" });
  // Served to this host's own only.
  expect(await request("GET", "/metrics")).toMatchObject({ text: "page\n" });
  expect(await (await fetch(`http://${http.address}/metrics`)).text()).toBe("secret\n");
  expect(seen).toEqual(["GET /", `GET /${service}/Echo`, "POST /mcp", "DELETE /mcp", "GET /metrics"]);

  const json = await request("POST", "/nothing.v1.Nothing/Get", { "content-type": "application/json" });
  expect(json.status).toBe(404);
  expect(JSON.parse(json.text)).toMatchObject({
    code: 5,
    message: expect.stringContaining("google.api.http"),
  });
  for (const type of ["application/grpc-web+proto", "application/grpc-web-text"]) {
    expect(await request("POST", "/nothing.v1.Nothing/Get", { "content-type": type })).toMatchObject({
      grpc: "5",
    });
  }
  expect(rig.orchestrator.wanted).toEqual([]);
});
