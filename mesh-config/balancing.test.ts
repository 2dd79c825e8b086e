import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InstanceState, VersionManifest } from "../registry/state.ts";
import { parseOutlierLine } from "./outlier-log.ts";
import { startRig, type TestRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

/*
 * How a real Envoy spreads calls, policy by policy. Each test has a service of its own; the Envoy stands in zone "a".
 */

let rig: TestRig;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-balancing-"));
  rig = await startRig({ zone: "a", outlierLog: join(folder, "outliers.jsonl") });
}, 60_000);
afterAll(async () => {
  await rig?.close();
  await rm(folder, { recursive: true, force: true });
});

let services = 0;

/** A warm version with one instance for each name. */
async function serve(
  change: Partial<VersionManifest>,
  instances: Readonly<Record<string, Partial<InstanceState>>>,
) {
  const service = `balanced.v1.Service${++services}`;
  rig.mesh.put(version(manifest(service, "1.0.0", change)));
  const served: InstanceState[] = [];
  const servers = new Map<string, Awaited<ReturnType<TestRig["echo"]>>>();
  const add = async (name: string, facts: Partial<InstanceState>) => {
    const server = await rig.echo(service, name);
    servers.set(name, server);
    served.push({ ...instance(name, 1, server.address), ...facts });
    rig.mesh.change(service, "1.0.0", (state) => ({ ...state, instances: [...served] }));
  };
  const set = (next: (one: InstanceState) => InstanceState | undefined) =>
    rig.mesh.change(service, "1.0.0", (state) => ({
      ...state,
      instances: state.instances.flatMap((one) => next(one) ?? []),
    }));
  for (const [name, facts] of Object.entries(instances)) await add(name, facts);
  /** Envoy has so many endpoints of it, and so many of them take calls. */
  const known = (all: number, healthy: number) =>
    rig.envoy.until("/clusters", (text) => {
      const lines = text.split("\n").filter((line) => line.startsWith(`${service}@`));
      const flags = lines.filter((line) => line.includes("::health_flags::"));
      return flags.length === all && flags.filter((line) => line.endsWith("::healthy")).length === healthy;
    });
  await known(served.length, served.length);
  // Routes follow the clusters.
  await expect.poll(() => rig.client.echo(service), { timeout: 60_000 }).toHaveProperty("text");
  return { service, add, set, known, servers };
}

/** Calls, some at a time, and counts who answered. */
async function calls(service: string, count: number, key?: (index: number) => string) {
  const counts: Record<string, number> = {};
  const one = async (index: number) => {
    const metadata = key === undefined ? {} : { "x-session": key(index) };
    const answer = await rig.client.echo(service, "", { metadata });
    if ("error" in answer) throw answer.error;
    const name = answer.text.slice(0, -1);
    counts[name] = (counts[name] ?? 0) + 1;
  };
  for (let index = 0; index < count; index += 5)
    await Promise.all([0, 1, 2, 3, 4].map((more) => one(index + more)));
  return counts;
}

test("round robin: each in turn", async () => {
  const { service } = await serve({}, { a: {}, b: {}, c: {} });
  const counts = await calls(service, 60);
  for (const name of ["a", "b", "c"]) expect(counts[name]).toBeGreaterThanOrEqual(15);
});

test("none: the oldest gets all, whoever comes, and the next oldest when it leaves", async () => {
  const { service, add, set, known } = await serve(
    { loadBalancing: "none" },
    { m: { startedAtMs: 2_000 }, z: { startedAtMs: 1_000 } },
  );
  expect(await calls(service, 20)).toEqual({ z: 20 });
  await add("a", { startedAtMs: 3_000 });
  await known(3, 3);
  expect(await calls(service, 20)).toEqual({ z: 20 });
  set((one) => (one.id === "z" ? { ...one, draining: true } : one));
  await known(3, 2);
  expect(await calls(service, 20)).toEqual({ m: 20 });
  set((one) => (one.id === "z" ? undefined : one));
  await known(2, 2);
  expect(await calls(service, 20)).toEqual({ m: 20 });
});

test("least request: the busy one gets fewer", async () => {
  const { service, add, known } = await serve({ loadBalancing: "least_request" }, { busy: {} });
  const streams = Array.from({ length: 20 }, () => rig.client.chat(service));
  for (const stream of streams) {
    stream.on("error", () => undefined);
    stream.write(Buffer.from("hi"));
    await once(stream, "data");
  }
  await add("free", {});
  await known(2, 2);
  // Of two choices at random both are the busy one in a quarter of all cases.
  expect((await calls(service, 100)).busy ?? 0).toBeLessThan(45);
  for (const stream of streams) stream.cancel();
});

test.each([
  ["round robin", { loadBalancing: "round_robin" }],
  ["least request", { loadBalancing: "least_request" }],
  ["none, though it is the oldest", { loadBalancing: "none" }],
  ["by zones, weighted, though it is alone in its zone", { loadBalancing: "locality_weighted" }],
  ["by zones, though it is alone in the Envoy's own", { loadBalancing: "zone_aware" }, "a", "b"],
  ["by zones, though all are in one", { loadBalancing: "zone_aware" }, "a", "a"],
  ["by zones, though the Envoy's own has none", { loadBalancing: "zone_aware" }, "b", "c"],
] as const)(
  "on probation it gets a tenth of what another gets, and then its share again: %s",
  async (_, change, mine = "b", others = "a") => {
    const { service } = await serve(change, {
      sick: { startedAtMs: 1_000, zone: mine },
      well: { startedAtMs: 2_000, zone: others },
      other: { startedAtMs: 2_000, zone: others },
    });
    const sick = { condition: "probation", sinceMs: 1, reason: "it was ill", strikes: 1 } as const;
    const health = { token: 1, instances: { sick } };
    rig.mesh.change(service, "1.0.0", (state) => ({ ...state, health }));
    const share = async () => ((await calls(service, 300)).sick ?? 0) / 300;
    await expect.poll(share, { timeout: 60_000 }).toBeLessThan(0.2);
    const onProbation = await share();
    expect(onProbation).toBeGreaterThan(0);
    expect(onProbation).toBeLessThan(0.2);
    rig.mesh.change(service, "1.0.0", ({ health: _over, ...state }) => state);
    await expect.poll(share, { timeout: 60_000 }).toBeGreaterThan(0.2);
  },
);

test("sessions: a key stays with its instance, and keys spread", async () => {
  const { service } = await serve({ sessionKey: "x-session" }, { a: {}, b: {}, c: {} });
  const seen = new Set<string>();
  for (let key = 0; key < 20; key++) {
    const counts = await calls(service, 5, () => `key-${key}`);
    expect(Object.values(counts)).toEqual([5]);
    for (const name of Object.keys(counts)) seen.add(name);
  }
  expect(seen.size).toBeGreaterThan(1);
});

test("sessions stay with one version of a tag that is split", async () => {
  const { service } = await serve({ sessionKey: "x-session" }, { one: {} });
  const other = await rig.echo(service, "two");
  rig.mesh.put(
    version(manifest(service, "2.0.0", { sessionKey: "x-session" }), { generation: 1 }, [
      instance("two", 1, other.address),
    ]),
  );
  rig.mesh.tag(service, "release", { "1.0.0": 50, "2.0.0": 50 });
  await expect.poll(async () => Object.keys(await calls(service, 40)).length, { timeout: 60_000 }).toBe(2);
  const seen = new Set<string>();
  for (let key = 0; key < 20; key++) {
    const counts = await calls(service, 5, () => `key-${key}`);
    expect(Object.values(counts)).toEqual([5]);
    for (const name of Object.keys(counts)) seen.add(name);
  }
  expect(seen.size).toBe(2);
});

test("by zones, weighted: a zone's part is its hosts' speed", async () => {
  const { service } = await serve(
    { loadBalancing: "locality_weighted" },
    { a: { zone: "a", speed: 3 }, b: { zone: "b" } },
  );
  const { a = 0, b = 0 } = await calls(service, 200);
  expect(a).toBeGreaterThan(120);
  expect(b).toBeGreaterThan(20);
});

test("by zones, the own one: others only when it has no instance", async () => {
  const { service, set, known } = await serve(
    { loadBalancing: "zone_aware" },
    { b1: { zone: "b" }, a1: { zone: "a" }, b2: { zone: "b" }, a2: { zone: "a" }, b3: { zone: "b" } },
  );
  const near = await calls(service, 40);
  expect(Object.keys(near).sort()).toEqual(["a1", "a2"]);
  set((one) => (one.zone === "a" ? { ...one, draining: true } : one));
  await known(5, 3);
  const far = await calls(service, 40);
  expect(Object.keys(far).sort()).toEqual(["b1", "b2", "b3"]);
});

test("client-side: who comes through Envoy is balanced all the same", async () => {
  const { service } = await serve({ loadBalancing: "client" }, { a: {}, b: {} });
  expect(Object.keys(await calls(service, 60)).sort()).toEqual(["a", "b"]);
});

test("outliers: one that answers UNAVAILABLE five times in a row gets no calls for a while", async () => {
  const { service, servers } = await serve({}, { well: {}, sick: {} });
  servers.get("sick")?.refuse();
  // It would get one of two.
  const failed = async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.client.echo(service)));
    return answers.filter((answer) => "error" in answer).length;
  };
  await expect.poll(failed, { timeout: 60_000 }).toBe(0);
  const ejections = await rig.envoy.admin("/stats?filter=outlier_detection.ejections_enforced_total");
  expect(ejections).toMatch(new RegExp(`${service}@1\\.0\\.0#\\d+\\..*: [1-9]`));
  const noted = async () => {
    const lines = (await readFile(join(folder, "outliers.jsonl"), "utf8")).split("\n");
    return lines.map(parseOutlierLine).find((event) => event?.service === service);
  };
  const { address } = servers.get("sick") ?? {};
  await expect
    .poll(noted, { timeout: 60_000 })
    .toMatchObject({ version: "1.0.0", address, isOut: true, why: "after 5 errors in a row" });
});

test("slow start: a newcomer gets a small share at first", async () => {
  const slowStartMs = 4_000;
  const { service, add, known } = await serve({ balancing: { slowStartMs } }, { old: {} });
  await calls(service, 5);
  // What this waits for is the time itself: the first instance's own slow start.
  await sleep(slowStartMs + 1_000);
  await add("new", {});
  await known(2, 2);
  const { old = 0, new: fresh = 0 } = await calls(service, 100);
  expect(fresh).toBeLessThan(old * 0.8);
});
