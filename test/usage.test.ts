import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type LogLine,
  LogsClient,
  type ReadLogsRequest,
  type ReadLogsResponse,
  UsageClient,
  type UsageSeries,
} from "#proto/rouse/usage/v1/usage.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

let mesh: TestMesh;
const probes: Probe[] = [];
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  for (const version of ["1.0.0", "2.0.0", "3.0.0"]) {
    const probe = await makeProbe({ version, idleTimeout: version === "3.0.0" ? "5m" : "1s" });
    probes.push(probe);
    await appendFile(join(probe.dir, "src/main.ts"), '\nconsole.log("the probe begins");\n');
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

async function calls(): Promise<number> {
  return (await usage("service"))[0]?.points[0]?.calls ?? 0;
}

const all = {
  service,
  version: "",
  instance: "",
  host: "",
  contains: "",
  fromMs: 0,
  toMs: 0,
  tail: 0,
  follow: false,
};

/** Reads until the lines suffice. */
function lines(query: Partial<ReadLogsRequest>, enough: (lines: LogLine[]) => boolean = () => false) {
  return withClient(LogsClient, mesh.registry, async (client) => {
    const found: LogLine[] = [];
    const stream = client.readLogs({ ...all, ...query });
    stream.on("error", () => {});
    for await (const { lines: some } of stream as AsyncIterable<ReadLogsResponse>) {
      found.push(...some);
      if (enough(found)) break;
    }
    return found;
  });
}

test("after N calls usage is N by version, method and caller, with errors by code and cold starts by stage", async () => {
  using one = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  for (let index = 0; index < 25; index++) await one.echo({ text: "x" });
  for (let index = 0; index < 5; index++) await one.relay({ text: "x", version: "2.0.0" });
  for (let index = 0; index < 2; index++)
    await expect(one.relay({ text: "x", version: "9.0.0" })).rejects.toMatchObject({ status: "NOT_FOUND" });
  // A name that a caller from outside gives itself counts for nothing.
  await one.echo({ text: "x" }, { metadata: { "rouse-caller": "somebody.v1.Else" } });
  await until("all is counted", async () => (await calls()) >= 38);
  const series = await usage("version", "method", "caller");
  const table = series.map(({ version, method, caller, points }) => [
    version,
    method,
    caller,
    points[0]?.calls,
    points[0]?.errors,
  ]);
  expect(table.sort()).toEqual([
    ["1.0.0", "Echo", "outside", 26, {}],
    ["1.0.0", "Relay", "outside", 7, { NOT_FOUND: 2 }],
    ["2.0.0", "Echo", service, 5, {}],
  ]);
  await until("the wakes are counted", async () => (await usage("service"))[0]?.points[0]?.coldStarts === 2);
  const [total] = await usage("service");
  const stages = total?.points[0]?.coldStagesMs ?? {};
  expect(Object.keys(stages).sort()).toEqual([
    "create",
    "place",
    "push",
    "ready",
    "release",
    "start",
    "total",
  ]);
  const { total: whole = 0, ...parts } = stages;
  expect(Object.values(parts).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(whole, 0);
  const text = await rouseOk(["usage", service, "--by", "method", "caller", "--data", mesh.data]);
  expect(text).toMatch(/^method +caller +calls +errors +p50 ms +p90 ms +p99 ms$/m);
  expect(text).toMatch(/^Echo +outside +26 +█{20} +- /m);
  expect(text).toMatch(/^Relay +outside +7 +█+ +2 \(28\.6 %: 2 NOT_FOUND\) /m);
  expect(text).toMatch(new RegExp(`^${service} +1\\.0\\.0 +1 +[\\d.]+`, "m"));
});

test("a registry that is killed has lost nothing, and calls of the meantime are counted when it is back", async () => {
  using three = createProbeServiceClient({ target: mesh.edge, version: "3.0.0" });
  await three.echo({ text: "x" });
  await until("the wake and the call are counted", async () => {
    const [counted] = (await usage("version")).filter(({ version }) => version === "3.0.0");
    return counted?.points[0]?.coldStarts === 1 && counted.points[0].calls === 1;
  });
  const before = await usage("version", "method", "caller");
  const back = mesh.restart("registry", "SIGKILL");
  for (let index = 0; index < 10; index++) await three.echo({ text: "x" });
  await back;
  await until("the calls of the meantime are counted", async () => (await calls()) === 38 + 1 + 10);
  const after = await usage("version", "method", "caller");
  const others = (series: UsageSeries[]) => series.filter(({ version }) => version !== "3.0.0");
  expect(others(after)).toEqual(others(before));
  expect((await usage("service"))[0]?.points[0]?.coldStarts).toBe(3);
});

/** Resolves when the versions that idle have no instance any more. */
function untilIdle(): Promise<void> {
  return until("they go cold", async () =>
    (await liveVersions(mesh, service)).every(
      ({ version, instances }) => version === "3.0.0" || instances.length === 0,
    ),
  );
}

test("a follower gets lines of two instances; what ended instances wrote is still there, and found by its text", async () => {
  await untilIdle();
  const following = lines({ follow: true, tail: 1 }, (found) => {
    const fresh = found.slice(1).filter(({ text }) => text === "the probe begins");
    return new Set(fresh.map(({ version }) => version)).size === 2;
  });
  for (const version of ["1.0.0", "2.0.0"]) {
    using client = createProbeServiceClient({ target: mesh.edge, version });
    await client.echo({ text: "x" });
  }
  const found = await following;
  expect(found.slice(1).map(({ version, stream }) => [version, stream])).toContainEqual(["2.0.0", "stdout"]);

  // One ends as by a crash, the others go idle.
  const versions = await liveVersions(mesh, service);
  const [victim] = versions
    .filter(({ version }) => version === "3.0.0")
    .flatMap(({ instances }) => instances);
  await mesh.killInstance(victim?.id ?? "");
  await untilIdle();
  const kept = await lines({ tail: 1_000, contains: "PROBE BEGINS" });
  expect(new Set(kept.map((line) => line.instance)).size).toBeGreaterThanOrEqual(5);
  const times = kept.map(({ atMs }) => atMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  // An agent that is killed hands over nothing twice, and goes on.
  await mesh.restart("agent", "SIGKILL");
  const next = lines({ follow: true, tail: 1 }, (found) => found.length > 1);
  using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  await client.echo({ text: "x" });
  expect((await next).at(-1)).toMatchObject({ version: "1.0.0", text: "the probe begins" });
  const now = await lines({ tail: 1_000, contains: "probe begins" });
  expect(now.slice(0, -1)).toEqual(kept);
  const args = [
    "logs",
    service,
    "--contains",
    "begins",
    "--version",
    "2.0.0",
    "--since",
    "1h",
    "--data",
    mesh.data,
  ];
  expect(await rouseOk(args)).toMatch(/^\d\d-\d\d [\d:.]+ probe-service\S* \| the probe begins$/m);
});
