import { afterAll, beforeAll, expect, test } from "vitest";
import { UsageClient, type UsageSeries } from "#proto/rouse/usage/v1/usage.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

const service = "probe.v1.ProbeService";

let mesh: TestMesh;
const probes: Probe[] = [];
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  for (const version of ["1.0.0", "2.0.0"]) {
    const probe = await makeProbe({ version, idleTimeout: "1s" });
    probes.push(probe);
    await probe.register(mesh.data);
  }
});
afterAll(async () => {
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

/** What the registry has counted, by the dimensions. */
function usage(...groupBy: string[]): Promise<UsageSeries[]> {
  return withClient(UsageClient, mesh.registry, async (client) => {
    const request = { service, version: "", method: "", caller: "", fromMs: 0, toMs: 0, stepMs: 0, groupBy };
    return (await unary(client, "queryUsage", request)).series;
  });
}

async function callsOf(...groupBy: string[]): Promise<number> {
  return (await usage(...groupBy)).flatMap(({ points }) => points).reduce((sum, { calls }) => sum + calls, 0);
}

test("after N calls the usage is N per version, method and caller, with errors by code and cold starts by stage", async () => {
  using one = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  for (let index = 0; index < 25; index++) await one.echo({ text: "x" });
  for (let index = 0; index < 5; index++) await one.relay({ text: "x", version: "2.0.0" });
  // A name that a caller from outside gives itself counts for nothing.
  await one.echo({ text: "x" }, { metadata: { "rouse-caller": "somebody.v1.Else" } });
  await until("all is counted", async () => (await callsOf()) >= 36);
  const series = await usage("version", "method", "caller");
  const table = series.map(({ version, method, caller, points }) => [
    version,
    method,
    caller,
    points[0]?.calls,
  ]);
  expect(table.sort()).toEqual([
    ["1.0.0", "Echo", "outside", 26],
    ["1.0.0", "Relay", "outside", 5],
    ["2.0.0", "Echo", service, 5],
  ]);
  const [all] = await usage("service");
  expect(all?.points).toMatchObject([{ calls: 36, errors: {}, coldStarts: 2 }]);
});
