import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogClient, type WatchStateResponse } from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

const service = "probe.v1.ProbeService";
let mesh: TestMesh;
let probe: Probe;
let catalog: CatalogClient;
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  probe = await makeProbe();
  await probe.register(mesh.data);
  // As the site does: by the edge.
  catalog = new CatalogClient(mesh.edge, credentials.createInsecure());
});
afterAll(async () => {
  catalog?.close();
  await mesh?.close();
  await probe?.remove();
});

test("who watches a service sees it start with the first call and serve, and its wake afterwards", async () => {
  const stream = catalog.watchState({ service }).on("error", () => undefined);
  using client = createProbeServiceClient({ target: mesh.edge });
  const states: (string | undefined)[] = [];
  let call: Promise<unknown> | undefined;
  for await (const { services } of stream as AsyncIterable<WatchStateResponse>) {
    const state = services[0]?.versions[0]?.state;
    if (state !== states.at(-1)) states.push(state);
    call ??= client.echo({ text: "wake" }, { deadlineMs: 60_000 });
    if (state === "warm") break;
  }
  stream.cancel();
  await call;
  expect(states).toEqual(["cold", "starting", "warm"]);
  const { wakes } = await unary(catalog, "listWakes", { service, limit: 1 });
  expect(wakes).toMatchObject([{ service, version: "1.0.0", generation: 1, error: "" }]);
  expect(wakes[0]?.stages.map(({ name }) => name)).toContain("released");
});
