import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startRig, type TestRig } from "../mesh-config/testing/rig.ts";
import { instance, manifest, version } from "../mesh-config/testing/state.ts";
import type { LoadBalancing } from "../registry/balancing.ts";
import type { InstanceState, VersionManifest } from "../registry/state.ts";
import { createClient } from "../sdk/client/index.ts";
import { say } from "../sdk/fixtures/echo.ts";
import { sessionDefinition } from "../sdk/fixtures/session.ts";
import { type BenchResult, median, quantile, round } from "./table.ts";

const ROUNDS = 7;
const SECONDS = 1.5;
const CALLERS = 32;
const KEYS = 200;
const SLOW_START_MS = 20_000;
const service = sessionDefinition.name;
const main = join(import.meta.dirname, "../sdk/fixtures/session-main.ts");

/** What is measured, by name: each is a version of its own with the same three instances. */
const choices: Record<string, { readonly number: string; readonly change: Partial<VersionManifest> }> = {
  none: by("1.0.0", "none"),
  "round robin": by("1.1.0", "round_robin"),
  "least request": by("1.2.0", "least_request"),
  "locality weighted": by("1.3.0", "locality_weighted"),
  "zone aware": by("1.4.0", "zone_aware"),
  "ring hash, sessions": { number: "1.5.0", change: { sessionKey: sessionDefinition.sessionKey } },
  "client-side": by("1.6.0", "client"),
};

function by(number: string, loadBalancing: LoadBalancing) {
  return { number, change: { loadBalancing } };
}

interface Measured {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Calls by instance. */
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * Every choice of load balancing in one run: a generated Node client, unary calls, three instances on one host of which two
 * stand in the Envoy's zone; beside it the same client straight to one instance.
 */
export default async function balancing(): Promise<BenchResult> {
  const rig = await startRig({ zone: "a" });
  const children: ChildProcess[] = [];
  try {
    const instances: InstanceState[] = [];
    for (const id of ["a1", "a2", "b1"]) {
      const address = await startInstance(rig, id, children);
      instances.push({ ...instance(id, 1, address), zone: id.slice(0, 1), startedAtMs: instances.length });
    }
    for (const { number, change } of Object.values(choices))
      rig.mesh.put(version(manifest(service, number, change), { generation: 1 }, instances));
    const found = await measureAll(rig, instances[0]?.address ?? "");
    const rows = [...found].map(([name, rounds]) => row(name, rounds));
    rows.push(await newcomer(rig, instances));
    const rates = (name: string) => median((found.get(name) ?? []).map(({ rate }) => rate));
    const value = rates("client-side") / rates("direct");
    return {
      name: "Load balancing",
      about:
        `Unary echo by a generated Node client, ${CALLERS} callers, three instances, ${ROUNDS} rounds of ${SECONDS} s in turn; medians. ` +
        `Shares are those of the busiest and of the least busy instance; sessions have ${KEYS} keys.`,
      rows,
      figure: { name: "client-side / direct, requests per second", value, goal: "≥ 0.9", met: value >= 0.9 },
    };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rig.close();
  }
}

async function startInstance(rig: TestRig, id: string, children: ChildProcess[]): Promise<string> {
  const child = fork(main, {
    env: {
      PATH: process.env.PATH,
      ROUSE_MESH: rig.meshListener,
      ROUSE_INSTANCE: id,
      // The version with sessions, whose instances ask each other.
      ROUSE_VERSION: choices["ring hash, sessions"]?.number,
      ROUSE_HOST: "h1",
      ROUSE_LISTEN: "127.0.0.1:0",
    },
  });
  children.push(child);
  const [address] = await once(child, "message");
  return String(address);
}

async function measureAll(rig: TestRig, direct: string): Promise<Map<string, Measured[]>> {
  const clients = new Map([["direct", createClient(sessionDefinition, { target: direct })]]);
  for (const [name, { number }] of Object.entries(choices)) {
    const own = name === "client-side";
    const definition = own ? { ...sessionDefinition, sessionKey: "" } : sessionDefinition;
    const target = { target: rig.meshListener, version: number };
    clients.set(name, createClient(definition, { ...target, balancing: own ? "client" : "envoy" }));
  }
  const found = new Map<string, Measured[]>([...clients.keys()].map((name) => [name, []]));
  try {
    for (let number = -1; number < ROUNDS; number++) {
      const inTurn = [...clients];
      for (const [name, client] of number % 2 === 0 ? inTurn : inTurn.toReversed()) {
        if (number < 0) await ready(client);
        const measured = await measure(client, name.includes("sessions"));
        // The first round warms everything up.
        if (number >= 0) found.get(name)?.push(measured);
      }
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
  return found;
}

type Client = ReturnType<typeof createClient<typeof sessionDefinition>>;

/** Routes and endpoints have reached Envoy. */
async function ready(client: Client): Promise<void> {
  const end = Date.now() + 60_000;
  for (;;) {
    const answered = await client.say(say("")).then(
      () => true,
      () => false,
    );
    if (answered) return;
    if (Date.now() > end) throw new Error("the service does not answer");
    await sleep(50);
  }
}

async function measure(client: Client, sessions: boolean): Promise<Measured> {
  const times: number[] = [];
  const counts = new Map<string, number>();
  const began = performance.now();
  const end = began + SECONDS * 1_000;
  let calls = 0;
  const caller = async () => {
    while (performance.now() < end) {
      const key = `key-${calls++ % KEYS}`;
      const from = performance.now();
      const { text } = await client.say(say(""), sessions ? { metadata: { "x-session": key } } : {});
      times.push(performance.now() - from);
      const [name = ""] = text.split(" ");
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (performance.now() - began) / 1_000;
  return { rate: times.length / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99), counts };
}

function row(name: string, rounds: readonly Measured[]): Record<string, string | number> {
  const sums = ["a1", "a2", "b1"].map((id) =>
    rounds.reduce((sum, { counts }) => sum + (counts.get(id) ?? 0), 0),
  );
  const all = sums.reduce((sum, count) => sum + count, 0);
  const of = (pick: (measured: Measured) => number) => median(rounds.map(pick));
  return {
    choice: name,
    "req/s": Math.round(of(({ rate }) => rate)),
    "p50 ms": round(of(({ p50 }) => p50)),
    "p99 ms": round(of(({ p99 }) => p99)),
    "most %": Math.round((100 * Math.max(...sums)) / all),
    "least %": Math.round((100 * Math.min(...sums)) / all),
  };
}

/** A third instance joins two: with slow start its share is small at first. */
async function newcomer(rig: TestRig, instances: readonly InstanceState[]) {
  const number = "2.0.0";
  const slow = manifest(service, number, { balancing: { slowStartMs: SLOW_START_MS } });
  const put = (some: readonly InstanceState[]) => rig.mesh.put(version(slow, { generation: 1 }, some));
  put(instances.slice(0, 2));
  using client = createClient(sessionDefinition, { target: rig.meshListener, version: number });
  await ready(client);
  // The first two pass through their own slow start.
  await sleep(SLOW_START_MS + 1_000);
  put(instances);
  return row("slow start, newcomer's first seconds", [await measure(client, false)]);
}
