import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { unary } from "../sdk/grpc.ts";
import { startRig, startsWhatIsWanted, type TestRig } from "./testing/rig.ts";
import { manifest, version } from "./testing/state.ts";

let rig: TestRig;
let client: MeshConfigClient;
beforeAll(async () => {
  rig = await startRig();
  client = new MeshConfigClient(rig.control().address, credentials.createInsecure());
});
afterAll(async () => {
  client?.close();
  await rig?.close();
});

const service = "echo.v1.EchoService";

test("who waits for routes is answered when Envoy has them, and a call then finds the version", async () => {
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  for (let number = 0; number < 20; number++) {
    const of = `1.0.${number}`;
    const routed = unary(
      client,
      "awaitRoutes",
      { service, version: of, tags: ["release"] },
      { deadlineMs: 60_000 },
    );
    rig.mesh.put(version(manifest(service, of)));
    rig.mesh.tag(service, "release", { [of]: 1 });
    await routed;
    expect(await rig.client.echo(service, "x", { version: of })).toMatchObject({ text: "one:x" });
  }
});

test("a version that is not there is waited for until the caller's deadline", async () => {
  const waits = unary(client, "awaitRoutes", { service, version: "9.9.9", tags: [] }, { deadlineMs: 200 });
  await expect(waits).rejects.toMatchObject({ status: "DEADLINE_EXCEEDED" });
});
