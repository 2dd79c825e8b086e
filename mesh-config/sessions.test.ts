import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createClient } from "../sdk/client/index.ts";
import { byHand } from "../sdk/fixtures/by-hand.ts";
import { say } from "../sdk/fixtures/echo.ts";
import { sessionDefinition } from "../sdk/fixtures/session.ts";
import { startRig, type TestRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

/* Sessions of real instances behind a real Envoy: they stay where they are, whatever instances come and go. */

const service = sessionDefinition.name;
const main = join(import.meta.dirname, "../sdk/fixtures/session-main.ts");
const patience = { timeout: 60_000, interval: 20 };
let rig: TestRig;

beforeAll(async () => {
  rig = await startRig({ graceMs: 100 });
}, 60_000);
afterAll(() => rig.close());

let versions = 0;

/** A version of its own, and what changes its instances. */
function newVersion(handOver: boolean) {
  const number = `1.${++versions}.0`;
  const manifested = manifest(service, number, { exposure: "internal", sessionKey: "x-session" });
  rig.mesh.put(version(manifested));
  const children = new Map<string, ChildProcess>();
  const client = createClient(sessionDefinition, { target: rig.meshListener, version: number, retries: 0 });
  onTestFinished(() => {
    client.close();
    for (const child of children.values()) child.kill("SIGKILL");
  });
  const change = (of: Parameters<typeof rig.mesh.change>[2]) => rig.mesh.change(service, number, of);
  /** Envoy has so many endpoints of it, and so many of them take new sessions. */
  const known = (all: number, healthy: number) =>
    rig.envoy.until("/clusters", (text) => {
      const flags = text
        .split("\n")
        .filter((line) => line.startsWith(`${service}@${number}#`) && line.includes("::health_flags::"));
      return flags.length === all && flags.filter((line) => line.endsWith("::healthy")).length === healthy;
    });
  const call = async (key: string) => {
    const { text } = await client.say(say(""), { metadata: { "x-session": key } });
    const [name = "", count] = text.split(" ");
    return { name, count: Number(count) };
  };
  return {
    client,
    call,
    known,
    child: (id: string) => children.get(id),
    async add(id: string) {
      const env = {
        PATH: process.env.PATH,
        ROUSE_MESH: rig.meshListener,
        ROUSE_INSTANCE: id,
        ROUSE_VERSION: number,
        ROUSE_HOST: "h1",
        ROUSE_LISTEN: "127.0.0.1:0",
        HAND_OVER: handOver ? "1" : "0",
      };
      const child = fork(main, { env });
      children.set(id, child);
      const [address] = await once(child, "message");
      change((state) => ({ ...state, instances: [...state.instances, instance(id, 1, String(address))] }));
    },
    retire: (id: string) =>
      change((state) => ({
        ...state,
        instances: state.instances.map((one) =>
          one.id === id ? { ...one, draining: true, retiring: true } : one,
        ),
      })),
    remove: (id: string) =>
      change((state) => ({ ...state, instances: state.instances.filter((one) => one.id !== id) })),
    /** The instance has told the mesh that so many sessions live there. */
    live: (id: string, count: number) =>
      expect.poll(() => rig.orchestrator.sessions.get(id), patience).toBe(count),
    /** Calls each key once; the names by key. */
    async all(keys: readonly string[], count: number) {
      const found = new Map<string, string>();
      for (const key of keys) {
        const answer = await call(key);
        expect(answer, key).toEqual({ name: answer.name, count });
        found.set(key, answer.name);
      }
      return found;
    },
    /** A call of the session that lasts until the test ends it. */
    async chat(key: string) {
      const { requests, send, end } = byHand<ReturnType<typeof say>>();
      const stream = client.chat(requests, { metadata: { "x-session": key } })[Symbol.asyncIterator]();
      const ask = async (text: string) => {
        send(say(text));
        return (await stream.next()).value?.text;
      };
      onTestFinished(end);
      return {
        first: await ask("first"),
        ask,
        async end() {
          end();
          expect((await stream.next()).done).toBe(true);
        },
      };
    },
  };
}

const keys = (prefix: string, count = 30) => Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

/** The first calls may come before routes and endpoints have. */
async function warm(mesh: ReturnType<typeof newVersion>, instances: number) {
  await mesh.known(instances, instances);
  const ready = () =>
    mesh.call("warm").then(
      () => true,
      () => false,
    );
  await expect.poll(ready, patience).toBe(true);
}

test("sessions stay where they are when an instance comes, and new ones go there, too", async () => {
  const mesh = newVersion(false);
  await Promise.all([mesh.add("a"), mesh.add("b")]);
  await warm(mesh, 2);
  const before = await mesh.all(keys("old"), 1);
  expect(new Set(before.values())).toEqual(new Set(["a", "b"]));
  await mesh.add("c");
  await mesh.known(3, 3);
  const fresh = await mesh.all(keys("new"), 1);
  expect(new Set(fresh.values())).toEqual(new Set(["a", "b", "c"]));
  // By their hash a third of the old ones would be at c now.
  expect(await mesh.all(keys("old"), 2)).toEqual(before);
  expect(await mesh.all(keys("new"), 2)).toEqual(fresh);
});

test("a retiring instance keeps its sessions and gets no new ones; nothing is cut", async () => {
  const mesh = newVersion(false);
  await Promise.all([mesh.add("stays"), mesh.add("goes")]);
  await warm(mesh, 2);
  const before = await mesh.all(keys("old"), 1);
  const key = [...before].find(([, name]) => name === "goes")?.[0] ?? "";
  const chat = await mesh.chat(key);
  expect(chat.first).toBe("goes first");
  mesh.retire("goes");
  await mesh.known(2, 1);
  expect(new Set((await mesh.all(keys("new"), 1)).values())).toEqual(new Set(["stays"]));
  expect(await mesh.all(keys("old"), 2)).toEqual(before);
  expect(await chat.ask("second")).toBe("goes second");
  // Also a stream that begins now.
  const late = await mesh.chat(key);
  expect(late.first).toBe("goes first");
  const lives = [...before.values()].filter((name) => name === "goes").length;
  await expect.poll(() => rig.orchestrator.sessions.get("goes"), patience).toBeGreaterThanOrEqual(lives);
  await Promise.all([chat.end(), late.end()]);
});

test("with hooks the sessions of a retiring instance move with all that they are", async () => {
  const mesh = newVersion(true);
  await Promise.all([mesh.add("stays"), mesh.add("goes"), mesh.add("other")]);
  await warm(mesh, 3);
  const before = await mesh.all(keys("old"), 1);
  const key = [...before].find(([, name]) => name === "goes")?.[0] ?? "";
  const chat = await mesh.chat(key);
  expect(chat.first).toBe("goes first");
  mesh.retire("goes");
  await mesh.known(3, 2);
  // All but the one with a call that lasts.
  await mesh.live("goes", 1);
  expect(await chat.ask("second")).toBe("goes second");
  await chat.end();
  await mesh.live("goes", 0);
  const after = await mesh.all(keys("old"), 2);
  for (const [key, name] of before) {
    if (name === "goes") expect(["stays", "other"]).toContain(after.get(key));
    else expect(after.get(key)).toBe(name);
  }
  expect(await mesh.all(keys("old"), 3)).toEqual(after);
  mesh.remove("goes");
  await mesh.known(2, 2);
  expect(await mesh.all(keys("old"), 4)).toEqual(after);
});

test("calls that come while sessions move are held, and none is lost", async () => {
  const mesh = newVersion(true);
  await Promise.all([mesh.add("stays"), mesh.add("goes")]);
  await warm(mesh, 2);
  const all = keys("busy", 10);
  const before = await mesh.all(all, 1);
  expect(new Set(before.values()).size).toBe(2);
  let over = false;
  const counts = new Map(all.map((key) => [key, 1]));
  const callers = all.map(async (key) => {
    while (!over) {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      expect((await mesh.call(key)).count, key).toBe(count);
    }
  });
  mesh.retire("goes");
  try {
    await mesh.live("goes", 0);
  } finally {
    over = true;
    await Promise.all(callers);
  }
  for (const key of all) expect((await mesh.call(key)).name).toBe("stays");
});

test("an instance that ends under calls hands its sessions over, and no call is lost", async () => {
  const mesh = newVersion(true);
  await Promise.all([mesh.add("one"), mesh.add("two"), mesh.add("ends")]);
  await warm(mesh, 3);
  const all = keys("busy");
  const before = await mesh.all(all, 1);
  expect(new Set(before.values()).size).toBe(3);
  let over = false;
  const callers = all.map(async (key) => {
    for (let count = 2; !over; count++) expect((await mesh.call(key)).count, key).toBe(count);
  });
  const end = async () => {
    // As the agent does it: first nobody is sent there any more.
    mesh.remove("ends");
    await mesh.known(2, 2);
    const child = mesh.child("ends");
    child?.kill("SIGTERM");
    if (child !== undefined) await once(child, "exit");
    over = true;
  };
  await Promise.all([end(), ...callers]);
});

test("an instance that is told to end hands over what it has", async () => {
  const mesh = newVersion(true);
  await Promise.all([mesh.add("stays"), mesh.add("ends")]);
  await warm(mesh, 2);
  const before = await mesh.all(keys("old"), 1);
  expect(new Set(before.values()).size).toBe(2);
  const child = mesh.child("ends");
  // As the agent does it: first nobody is sent there any more.
  mesh.remove("ends");
  await mesh.known(1, 1);
  child?.kill("SIGTERM");
  if (child !== undefined) await once(child, "exit");
  expect(new Set((await mesh.all(keys("old"), 2)).values())).toEqual(new Set(["stays"]));
});
