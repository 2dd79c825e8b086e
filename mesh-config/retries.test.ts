import { status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import type { InstanceState, VersionManifest } from "../registry/state.ts";
import { OPERATION_HEADER } from "../sdk/operation-header.ts";
import type { Json, JsonObject } from "./proto/json.ts";
import { meshResources } from "./resources/mesh.ts";
import { repeatable } from "./resources/retries.ts";
import { NOBODY_CLUSTER } from "./resources/web.ts";
import { startEcho } from "./testing/echo.ts";
import { startRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const service = "echo.v1.EchoService";
type Method = VersionManifest["methods"][number];
const method = (name: string, idempotency: Method["idempotency"]): Method => ({
  name,
  input: "a.B",
  output: "a.B",
  clientStreaming: false,
  serverStreaming: false,
  mode: "sync",
  deadlineMs: 0,
  idempotency,
  docs: "",
});
const [get, put, see] = [
  method("Echo", "no_side_effects"),
  method("Echo", "unknown"),
  method("Chat", "idempotent"),
];

/** Two instances of which the older answers nothing, and more between them. */
async function two(change: Partial<VersionManifest>, ...between: InstanceState[]) {
  const [victim, other] = [await startEcho(service, "victim"), await startEcho(service, "other")];
  victim.hold();
  const instances = [
    { ...instance("victim", 1, victim.address), startedAtMs: 1 },
    ...between,
    { ...instance("other", 1, other.address), startedAtMs: 3 },
  ];
  const contract = manifest(service, "1.0.0", change);
  const { client, close } = await startRig({
    prepare: (mesh) => mesh.put(version(contract, { generation: 1 }, instances)),
  });
  closers.push(close, victim.close, other.close);
  const echo = (count: number) => Promise.all(Array.from({ length: count }, () => client.echo(service)));
  return { victim, other, echo, client };
}

const under = (victim: { calls(): number }, count: number) =>
  expect.poll(() => victim.calls(), { timeout: 60_000 }).toBeGreaterThanOrEqual(count);

test.each([
  ["the only one", [get]],
  ["one of several", [get, method("Chat", "unknown")]],
] as const)(
  "what an instance had under way when it died is answered by another, if the method may be called twice: %s",
  async (_, methods) => {
    const { victim, other, echo } = await two({ methods: [...methods] });
    const calls = echo(300);
    await under(victim, 101);
    victim.close();
    expect(new Set((await calls).map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"text":"other:hi"}']),
    );
    expect(other.calls()).toBe(300);
  },
);

test.each([
  ["what it had under way, if that may be called twice", get],
  ["what never reached it", put],
] as const)(
  "when the oldest and the next oldest of load balancing `none` die, the one after them answers %s",
  async (_, method) => {
    const dead = await startEcho(service, "dead");
    dead.close();
    const next = { ...instance("dead", 1, dead.address), startedAtMs: 2 };
    const { victim, echo } = await two({ methods: [method], loadBalancing: "none" }, next);
    // A single call: several failures at once would have Envoy leave the dead ones out.
    const calls = method === get ? echo(1) : undefined;
    if (calls !== undefined) await under(victim, 1);
    victim.close();
    expect(await (calls ?? echo(1))).toEqual([{ text: "other:hi" }]);
  },
);

test("what may not be called twice is not, and what comes later goes to the others", async () => {
  const { victim, other, echo, client } = await two({ methods: [put, see] });
  const calls = echo(30);
  await under(victim, 10);
  await expect.poll(() => victim.calls() + other.calls(), { timeout: 60_000 }).toBe(30);
  const lost = victim.calls();
  victim.close();
  const failed = (await calls).flatMap((answer) => ("error" in answer ? [answer.error.code] : []));
  expect(failed).toEqual(Array.from({ length: lost }, () => status.UNAVAILABLE));
  expect(other.calls()).toBe(30 - lost);
  // The dead one is still among the endpoints.
  expect(new Set((await echo(30)).map((answer) => JSON.stringify(answer)))).toEqual(
    new Set(['{"text":"other:hi"}']),
  );
  const stream = client.chat(service);
  const answered = new Promise((resolve, reject) => stream.on("data", resolve).on("error", reject));
  stream.write(Buffer.from("hi"));
  expect(String(await answered)).toBe("hi");
  stream.end();
});

test("a call of orders, which tries again by itself, is not tried again by Envoy", async () => {
  const { victim, other, client } = await two({ methods: [get] });
  const metadata = { [OPERATION_HEADER]: "7b0c5d1e-3f52-4c0e-9d5c-0f6a3a1b2c3d" };
  const calls = Promise.all(Array.from({ length: 30 }, () => client.echo(service, "hi", { metadata })));
  await expect.poll(() => victim.calls() + other.calls(), { timeout: 60_000 }).toBe(30);
  const lost = victim.calls();
  expect(lost).toBeGreaterThan(0);
  victim.close();
  const failed = (await calls).flatMap((answer) => ("error" in answer ? [answer.error.code] : []));
  expect(failed).toEqual(Array.from({ length: lost }, () => status.UNAVAILABLE));
  expect(other.calls()).toBe(30 - lost);
});

test("a stream that may begin twice begins again elsewhere, if nothing of it has been answered", async () => {
  const { victim, client } = await two({ methods: [put, see] });
  const streams = Array.from({ length: 20 }, () => client.chat(service));
  const answers = streams.map((stream) => {
    stream.write(Buffer.from("hi"));
    return new Promise((resolve, reject) => stream.on("data", resolve).on("error", reject));
  });
  await under(victim, 5);
  victim.close();
  expect(new Set((await Promise.all(answers)).map(String))).toEqual(new Set(["hi"]));
  for (const stream of streams) stream.end();
});

test("a tag's calls are repeated where all of its versions allow it", () => {
  const of = (...methods: Method[]) => ({ methods });
  expect(repeatable([of()])).toBe("none");
  expect(repeatable([of(put)])).toBe("none");
  expect(repeatable([of(get, see)])).toBe("all");
  expect(repeatable([of(put, see)])).toEqual({ paths: ".*/(?:Chat)" });
  expect(repeatable([of(get, see), of(get, see)])).toBe("all");
  expect(repeatable([of(get, see), of(put, see)])).toEqual({ paths: ".*/(?:Chat)" });
  // It is not known what the other one makes of it.
  expect(repeatable([of(get, see), of(see)])).toEqual({ paths: ".*/(?:Chat)" });
  expect(repeatable([of(get), of(see)])).toBe("none");
});

test("routes that are no services' name what is tried again: the table's own policy is for methods that may be called twice", () => {
  const address = "127.0.0.1:1";
  const settings = {
    ...{ edge: address, mesh: address, registry: address, registryHttp: address, orders: address },
    ...{ ordersHttp: address, json: true as const, tracing: { samplingRatio: 0 } },
  };
  const contract = manifest(service, "1.0.0", { methods: [put] });
  const state = {
    services: new Map([[service, { versions: new Map([["1.0.0", version(contract)]]), tags: new Map() }]]),
  };
  const found: string[] = [];
  const look = (json: Json): void => {
    if (typeof json !== "object") return;
    const { route } = json as JsonObject;
    if (typeof route === "object" && "cluster" in route && !("retry_policy" in route))
      found.push(String(route.cluster));
    for (const inner of Object.values(json)) look(inner);
  };
  for (const table of meshResources(state, settings).routes.values()) look(table);
  expect(new Set(found)).toEqual(new Set([NOBODY_CLUSTER]));
});
