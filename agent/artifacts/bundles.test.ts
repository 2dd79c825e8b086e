import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { WatchHealthResponse } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../../sdk/grpc.ts";
import { failure, type Rig, startRig, type TestAgent, until } from "../testing/rig.ts";

let rig: Rig;
/** Has the bundle; the registry of all does not answer. */
let first: TestAgent;
beforeAll(async () => {
  rig = await startRig();
  first = await rig.start({ runtime: "process", host: "first" });
  await until("it is known", async () => (await agents()).includes("first"));
});
afterAll(async () => {
  first?.close();
  await rig?.close();
});

async function agents(): Promise<string[]> {
  const { text } = await rig.kv.request("GET", "/v1/health/service/rouse-agent", { query: { passing: "1" } });
  return (JSON.parse(text) as { Service: { Meta: { host: string } } }[]).map((one) => one.Service.Meta.host);
}

/** One more agent with a data folder of its own. */
async function another(host: string, options: Parameters<Rig["start"]>[0] = {}) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(rig.dataDir, `${host}-`)));
  const agent = await rig.start({ runtime: "process", host, ...options, dataDir });
  const tar = (digest = rig.bundle.digest) => join(dataDir, "agent", "bundles", `${digest}.tar`);
  const close = async () => {
    agent.close();
    await agent.agent?.close({ stopInstances: true });
  };
  onTestFinished(close);
  return { ...agent, tar, dataDir, end: close };
}

const prepare = ({ client }: TestAgent, bundle = rig.bundle.digest) =>
  unary(
    client,
    "prepareVersion",
    { fencingToken: 0, spec: rig.spec("serve", { bundle }) },
    { deadlineMs: 60_000 },
  );
const keep = ({ client }: TestAgent, ...digests: string[]) =>
  unary(client, "keepBundles", { fencingToken: 0, digests }, { deadlineMs: 60_000 });

test("a bundle that the registry does not give comes from another host", async () => {
  const agent = await another("second");
  const { instance } = await agent.start("there", rig.spec("serve"));
  expect(instance?.id).toBe("there");
  expect((await readFile(agent.tar())).equals(await readFile(rig.bundle.file))).toBe(true);
});

/** A registry that takes connections and never says anything, until the test ends. @returns "host:port". */
async function silentRegistry(): Promise<string> {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  return `127.0.0.1:${(silent.address() as AddressInfo).port}`;
}

test("a registry that is silent is not waited for", async () => {
  const agent = await another("patient", { registry: await silentRegistry() });
  await prepare(agent);
  expect(existsSync(agent.tar())).toBe(true);
});

test("one that is damaged on another host is taken from a third", async () => {
  // Who keeps it is asked first, so that all are damaged but one.
  const damaged = await Promise.all(["bad-1", "bad-2", "bad-3"].map((host) => another(host)));
  for (const { tar, dataDir } of damaged) {
    await mkdir(join(dataDir, "agent", "bundles"), { recursive: true });
    await writeFile(tar(), "not that");
  }
  await until("all are known", async () => {
    const known = await agents();
    return ["bad-1", "bad-2", "bad-3"].every((host) => known.includes(host));
  });
  const agent = await another("third");
  await prepare(agent);
  expect((await readFile(agent.tar())).equals(await readFile(rig.bundle.file))).toBe(true);
});

test("one that nobody has is told", async () => {
  const digest = "0".repeat(64);
  const error = await failure(prepare(first, digest));
  expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "REGISTRY_UNREACHABLE" });
  expect(error.message).toMatch(
    /^The registry at 127\.0\.0\.1:1 does not answer, and no other host has the bundle 0{64} \(/,
  );
});

test("what a host has is told to who follows it, at first all", async () => {
  const { dataDir, end, ...agent } = await another("teller");
  const follow = ({ client }: TestAgent) => {
    const held = new Set<string>();
    const state = { messages: 0, held };
    const stream = client.watchHealth({});
    stream.on("data", (news: WatchHealthResponse) => {
      state.messages++;
      for (const one of news.held) held.add(one);
      for (const one of news.heldNoMore) held.delete(one);
    });
    stream.on("error", () => undefined);
    onTestFinished(() => stream.cancel());
    return state;
  };
  const one = follow(agent);
  await until("it is told that there is nothing", async () => one.messages > 0);
  expect([...one.held]).toEqual([]);
  await prepare(agent);
  // Who asked for it places by that at once.
  expect([...one.held]).toEqual([rig.bundle.digest]);
  await end();
  const again = await another("teller", { dataDir });
  const two = follow(again);
  await until("it is told at first", async () => two.held.has(rig.bundle.digest));
  expect(two.messages).toBe(1);
  const { service, version } = rig.spec("serve");
  await unary(again.client, "forgetVersion", { fencingToken: 0, service, version });
  await until("it is told that it is gone", async () => two.held.size === 0);
});

test("copies for others are fetched, stay over a restart, and go when they are not named any more", async () => {
  const { dataDir, end, tar, ...agent } = await another("keeper");
  await keep(agent, rig.bundle.digest);
  expect(existsSync(tar())).toBe(true);
  await end();
  const again = await another("keeper", { dataDir });
  expect(existsSync(tar())).toBe(true);
  await prepare(again);
  await keep(again);
  // Something is to be ready to start from it.
  expect(existsSync(tar())).toBe(true);
  await keep(again, rig.bundle.digest);
  const { service, version } = rig.spec("serve");
  await unary(again.client, "forgetVersion", { fencingToken: 0, service, version });
  expect(existsSync(tar())).toBe(true);
  await keep(again);
  expect(existsSync(tar())).toBe(false);
  expect(await failure(keep(again, "../../etc"))).toMatchObject({ reason: "BUNDLE_DIGEST_INVALID" });
});

test("a copy that is not named any more while it is fetched does not stay", async () => {
  const agent = await another("hasty", { registry: await silentRegistry() });
  // The silence is waited out before others are asked: meanwhile the second comes.
  const fetched = keep(agent, rig.bundle.digest);
  const named = join(agent.dataDir, "agent", "copies.json");
  await until("it is named", () =>
    readFile(named, "utf8").then(
      (text) => text.includes(rig.bundle.digest),
      () => false,
    ),
  );
  await keep(agent);
  await fetched;
  expect(existsSync(agent.tar())).toBe(false);
});
