import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../../sdk/grpc.ts";
import { type Rig, startRig } from "../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../testing/sample.ts";

let rig: Rig;
let catalog: CatalogClient;
beforeAll(async () => {
  rig = await startRig();
  catalog = new CatalogClient(rig.registry.address, credentials.createInsecure());
}, 30_000);
afterAll(async () => {
  catalog?.close();
  await rig?.close();
});

test("a registered service is found at once", async () => {
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest()));
  const request = {
    query: "ehco",
    owner: "",
    tag: "",
    state: "",
    maxCpu: 0,
    maxMemoryBytes: 0,
    gpu: false,
    limit: 0,
    offset: 0,
  };
  const { hits, total } = await unary(catalog, "search", request);
  expect(total).toBe(1);
  expect(hits[0]?.service?.name).toBe("sample.v1.EchoService");
});
