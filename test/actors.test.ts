import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTallyServiceClient } from "./fixtures/tally/gen/tally/v1/tally.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { root, rouse, rouseOk } from "./support/rouse.ts";

const SERVICE = "tally.v1.TallyService";
let mesh: TestMesh;
let folder: string;

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  folder = await mkdtemp(join(tmpdir(), "tally-"));
  await cp(join(root, "test/fixtures/tally"), folder, { recursive: true });
  await rm(join(folder, "gen"), { recursive: true, force: true });
  await mkdir(join(folder, "node_modules"));
  await symlink(root, join(folder, "node_modules", "rouse"));
  await rouseOk(["register", "--dir", folder, "--data", mesh.data]);
});
afterAll(async () => {
  await mesh?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

const client = () => createTallyServiceClient({ target: mesh.edge });

test("a decorated class is found in the catalog, woken, and called by its generated client", async () => {
  const shown = await rouseOk(["show", SERVICE, "--data", mesh.data]);
  expect(shown).toContain("Keeps tallies");
  using tally = client();
  expect(await tally.add({ numbers: [1, 2, 3] }, { key: "a" })).toEqual({ text: "a: 6" });
});

test("callers without a generated client have their answer when the run has ended", async () => {
  const request = '{"numbers": [4, 5]}';
  const headers = ["-H", "rouse-key:b", "-H", "rouse-idempotency-key:once"];
  const call = () => rouseOk(["call", `${SERVICE}/Add`, request, ...headers, "--data", mesh.data]);
  expect(JSON.parse(await call())).toEqual({ text: "b: 9" });
  await call();
  const response = await fetch(`http://${mesh.edge}/${SERVICE}/Add`, {
    method: "POST",
    headers: { "content-type": "application/json", "rouse-key": "b", "rouse-idempotency-key": "once" },
    body: request,
  });
  expect(await response.json()).toEqual({ text: "b: 9" });
  const listed = await rouseOk(["runs", SERVICE, "--json", "--data", mesh.data]);
  const runs = listed.split("\n").filter((line) => line.includes('"key":"b"') || line.includes('"key": "b"'));
  expect(runs).toHaveLength(1);
});

test("an async call by command has its key as well", async () => {
  const flags = ["--async", "-H", "rouse-key:g", "--data", mesh.data];
  const id = await rouseOk(["call", `${SERVICE}/Add`, '{"numbers": [4, 5]}', ...flags]);
  const result = await rouseOk(["operations", "wait", id.trim(), "--data", mesh.data]);
  expect(JSON.parse(result)).toEqual({ text: "g: 9" });
});

test("calls with the same key come one after the other, and others beside them", async () => {
  using tally = client();
  const first = await tally.async.ask({ name: "count" }, { key: "c" });
  const second = await tally.async.add({ numbers: [1] }, { key: "c" });
  expect(await tally.add({ numbers: [2] }, { key: "d" })).toEqual({ text: "d: 2" });
  expect((await second.get()).state).toBe("waiting");
  await rouseOk(["runs", "answer", first.id, "count", "7", "--data", mesh.data]);
  expect(await first.wait()).toEqual({ text: "c: 7" });
  expect(await second.wait()).toEqual({ text: "c: 1" });
});

test("what an actor keeps by key is there for its next call, whatever ends in between", async () => {
  using tally = client();
  expect(await tally.count({ number: 2 }, { key: "h" })).toEqual({ text: "h: 2" });
  const [version] = await liveVersions(mesh, SERVICE);
  for (const { id } of version?.instances ?? []) await mesh.killInstance(id);
  await mesh.restart("orders", "SIGKILL");
  // However many call at once, each finds what the one before has kept.
  const all = await Promise.all([1, 2, 3, 4].map((number) => tally.count({ number }, { key: "h" })));
  expect(all.map(({ text }) => text)).toContain("h: 12");
  expect(await tally.count({ number: 1 }, { key: "i" })).toEqual({ text: "i: 1" });
  const listed = await rouseOk(["runs", "kept", SERVICE, "--data", mesh.data]);
  expect(listed).toMatch(/^h +all +12 /m);
  expect(await rouseOk(["runs", "forget", SERVICE, "h", "--data", mesh.data])).toBe("1 forgotten\n");
  expect(await tally.count({ number: 5 }, { key: "h" })).toEqual({ text: "h: 5" });
});

test("what an actor does not take is told by its schema, and a key that is missing by name", async () => {
  using tally = client();
  await expect(tally.add({ numbers: [] }, { key: "e" })).rejects.toMatchObject({
    status: "INVALID_ARGUMENT",
    reason: "ACTOR_INPUT_INVALID",
    message: expect.stringMatching(/^tally does not take this input of Add: numbers: /),
  });
  await expect(tally.add({ numbers: [1] })).rejects.toMatchObject({ reason: "ACTOR_KEY_MISSING" });
});

test("a plain function becomes a service by one call, and its run outlives its instance", async () => {
  const dir = join(folder, "slow-greeter");
  await rouseOk(["new", "slow-greeter", "--actor", "--dir", dir, "--owner", "tests@example.org"]);
  await mkdir(join(dir, "node_modules"));
  await symlink(root, join(dir, "node_modules", "rouse"));
  const registered = await rouseOk(["register", "--dir", dir, "--data", mesh.data]);
  const service = /\S+\.v1\.\w+/.exec(registered)?.[0] ?? "";
  const request = '{"name": "Ada", "pauseMs": 4000}';
  const id = (await rouseOk(["call", `${service}/Greet`, request, "--async", "--data", mesh.data])).trim();
  await until("it has greeted once, and sleeps", async () => {
    const shown = await rouseOk(["runs", "show", id, "--data", mesh.data]);
    return shown.includes("Hello, Ada!") && shown.includes("sleep");
  });
  const [version] = await liveVersions(mesh, service);
  for (const instance of version?.instances ?? []) await mesh.killInstance(instance.id);
  const result = await rouseOk(["operations", "wait", id, "--data", mesh.data]);
  expect(JSON.parse(result)).toEqual({ greetings: ["Hello, Ada!", "Hello again, Ada!"] });
});

test("a run outlives the kill of its instance and of orders", async () => {
  using tally = client();
  const asked = await tally.async.ask({ name: "count" }, { key: "f" });
  await until("it has begun", async () => (await asked.get()).attempts > 0);
  const [version] = await liveVersions(mesh, SERVICE);
  for (const { id } of version?.instances ?? []) await mesh.killInstance(id);
  await mesh.restart("orders", "SIGKILL");
  await until("orders takes the answer", async () => {
    const { code } = await rouse(["runs", "answer", asked.id, "count", "8", "--data", mesh.data]);
    return code === 0;
  });
  expect(await asked.wait()).toEqual({ text: "f: 8" });
});
