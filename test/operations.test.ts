import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OperationState, OperationsClient } from "#proto/rouse/orders/v1/operations.ts";
import { OrderState, OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { withClient } from "../cli/connect.ts";
import { artifacts, operation, type PutOptions } from "../sdk/client/index.ts";
import { unary } from "../sdk/grpc.ts";
import { createWorkerServiceClient } from "./fixtures/worker/gen/worker/v1/worker.client.ts";
import { WorkerServiceDefinition } from "./fixtures/worker/gen/worker/v1/worker.definition.ts";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

let mesh: TestMesh;
const workers: Probe[] = [];

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process", args: ["--guard-work"] });
  for (const version of ["1.0.0", "2.0.0", TWICE]) {
    const worker = await makeProbe({ fixture: "worker", version, minInstances: version === TWICE ? 2 : 0 });
    workers.push(worker);
    await worker.register(mesh.data);
  }
  await rouseOk(["tag", SERVICE, "release", "1.0.0", "--data", mesh.data]);
});
afterAll(async () => {
  await mesh?.close();
  for (const worker of workers) await worker.remove();
});

/** A version of which two instances run. */
const TWICE = "3.0.0";
const SERVICE = "worker.v1.WorkerService";
const work = { steps: 1, stepMs: 1, fail: "", bytes: 0 };
const { methods } = WorkerServiceDefinition;
const adminKey = () => readFileSync(join(mesh.data, "registry", "admin.key"), "utf8").trim();
/** Stores something, within the mesh. */
async function put(text: string, options: PutOptions): Promise<string> {
  const store = artifacts({ target: mesh.mesh });
  try {
    return (await store.put(Buffer.from(text), options)).uri;
  } finally {
    store.close();
  }
}
const digestOf = (uri: string) => /sha256-[0-9a-f]{64}/.exec(uri)?.[0] ?? "";
/** An operation by its id alone, as another program asks for it. */
const again = (id: string) => operation(methods.work, id, { target: mesh.edge });

function client(version = "") {
  return createWorkerServiceClient({ target: mesh.edge, ...(version === "" ? {} : { version }) });
}

describe("an async call", () => {
  test("wakes a cold service, tells its progress, and its result is had by its id", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 4, stepMs: 300 });
    const notes: string[] = [];
    for await (const view of started.watch()) if (view.progress) notes.push(view.progress.note);
    // Which of them come through depends on how quick everybody is: what is newer takes the place of what was not sent yet.
    expect(notes).toContainEqual(expect.stringMatching(/^step \d of 4$/));
    const response = { version: "1.0.0", operation: started.id, payload: Buffer.alloc(0) };
    expect(await again(started.id).wait()).toMatchObject({ ...response, payload: expect.anything() });
    expect(await again(started.id).get()).toMatchObject({
      state: "succeeded",
      attempts: 1,
      version: "1.0.0",
    });
  });

  test("is started, listed and awaited by command", async () => {
    const { stdout } = await rouse([
      "call",
      `${SERVICE}/Work`,
      '{"steps": 1}',
      "--async",
      "--key",
      "by-command",
      "--data",
      mesh.data,
    ]);
    const id = stdout.trim();
    const result = JSON.parse(await rouseOk(["operations", "wait", id, "--data", mesh.data])) as object;
    expect(result).toMatchObject({ version: "1.0.0", operation: id });
    const listed = await rouseOk(["operations", "--data", mesh.data]);
    expect(listed).toMatch(new RegExp(`${id}  ${SERVICE}/Work  1\\.0\\.0  +succeeded`));
  });

  test("with the same key is the same operation, and another request is refused", async () => {
    using worker = client();
    const key = { idempotencyKey: "once" };
    const first = await worker.async.work(work, key);
    const second = await worker.async.work(work, key);
    expect(second.id).toBe(first.id);
    await expect(worker.async.work({ ...work, steps: 2 }, key)).rejects.toMatchObject({
      status: "ALREADY_EXISTS",
      reason: "IDEMPOTENCY_KEY_REUSED",
      message: expect.stringContaining(`belongs to operation ${first.id}`),
    });
  });

  test("fails as the call does", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, fail: "The sheep are out." });
    await expect(started.wait()).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "WORK_REFUSED",
      message: "The sheep are out.",
    });
  });

  test("that is cancelled ends its call, and tells why", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 600, stepMs: 1_000 });
    await until("it runs", async () => (await started.get()).progress !== undefined);
    await started.cancel("nobody needs it");
    await expect(started.wait()).rejects.toMatchObject({
      status: "CANCELLED",
      reason: "OPERATION_CANCELLED",
      message: "The operation was cancelled: nobody needs it.",
    });
  });

  test("is waited for as long as one likes, and goes on", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 1, stepMs: 3_000 });
    await expect(started.wait({ timeoutMs: 200 })).rejects.toMatchObject({
      status: "DEADLINE_EXCEEDED",
      reason: "OPERATION_NOT_ENDED",
    });
    expect(await started.wait()).toMatchObject({ version: "1.0.0" });
  });

  test("may be waited for when it is started: what is late becomes an operation instead of an error", async () => {
    using worker = client();
    const quick = await worker.async.work(work, { waitMs: 60_000 });
    expect(quick.ended).toBe(true);
    expect(await quick.wait()).toMatchObject({ version: "1.0.0", operation: quick.id });
    const { expiresAtMs = 0 } = await quick.get();
    expect(expiresAtMs).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    const slow = { ...work, steps: 600, stepMs: 1_000 };
    await expect(worker.work(slow, { deadlineMs: 1_000 })).rejects.toMatchObject({
      status: "DEADLINE_EXCEEDED",
    });
    const late = await worker.async.work(slow, { waitMs: 1_000 });
    expect(late.ended).toBe(false);
    expect(await again(late.id).get()).toMatchObject({ error: undefined, expiresAtMs: undefined });
    await late.cancel("nobody needs it");
  });

  test("is balanced like any other: of twenty at once, each of two instances makes some", async () => {
    using worker = client(TWICE);
    await until("both run", async () => {
      const versions = await liveVersions(mesh, SERVICE);
      return versions.find(({ version }) => version === TWICE)?.instances.length === 2;
    });
    const used = new Set<string>();
    await until("both were used", async () => {
      const calls = Array.from({ length: 20 }, () => worker.async.work({ ...work, stepMs: 200 }));
      const all = await Promise.all(calls.map(async (call) => (await call).wait()));
      for (const { version, instance } of all) used.add(`${version} ${instance}`);
      return used.size > 1;
    });
    expect([...used]).toEqual([expect.stringMatching(/^3\.0\.0 ./), expect.stringMatching(/^3\.0\.0 ./)]);
  });

  test("whose result is too large says what to do", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, bytes: 20 * 2 ** 20 });
    await expect(started.wait()).rejects.toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "RESULT_TOO_LARGE",
      message: expect.stringContaining("20.0 MiB, more than the 16 MiB that an operation keeps"),
    });
  });
});

describe("when parts die", () => {
  test("a call that may be made again is, with the version that it began with", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 20, stepMs: 200 });
    const once = await worker.async.workOnce({ ...work, steps: 20, stepMs: 200 });
    await until("both run", async () => {
      const views = [await started.get(), await once.get()];
      return views.every(({ progress }) => progress !== undefined);
    });
    await rouseOk(["tag", SERVICE, "release", "2.0.0", "--data", mesh.data]);
    await mesh.restart("orders", "SIGKILL");
    expect(await started.wait()).toMatchObject({ version: "1.0.0", operation: started.id });
    expect(await started.get()).toMatchObject({ attempts: 2 });
    await expect(once.wait()).rejects.toMatchObject({
      status: "ABORTED",
      reason: "OPERATION_INTERRUPTED",
      message: expect.stringContaining("is not made again, as its contract does not say"),
    });
    await rouseOk(["tag", SERVICE, "release", "1.0.0", "--data", mesh.data]);
  });

  test("a killed database is started again, and what ran goes on", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 10, stepMs: 300 });
    await until("it runs", async () => (await started.get()).progress !== undefined);
    const pid = readFileSync(join(mesh.data, "orders/postgres/data/postmaster.pid"), "utf8").split("\n")[0];
    process.kill(Number(pid), "SIGKILL");
    expect(await started.wait()).toMatchObject({ version: "1.0.0" });
  });

  test("a killed instance's call is made again", async () => {
    using worker = client();
    const started = await worker.async.work({ ...work, steps: 10, stepMs: 300 });
    await until("it runs", async () => (await started.get()).progress !== undefined);
    const versions = await liveVersions(mesh, SERVICE);
    const [instance] = versions.find(({ version }) => version === "1.0.0")?.instances ?? [];
    await mesh.killInstance(instance?.id ?? "");
    expect(await started.wait()).toMatchObject({ version: "1.0.0" });
    expect((await started.get()).attempts).toBeGreaterThan(1);
  });
});

describe("refused is", () => {
  const fails = async (...args: string[]) => {
    const { code, stderr } = await rouse([...args, "--data", mesh.data]);
    expect(code).toBe(1);
    return stderr;
  };

  test("an async call of a method that is not async", async () => {
    const said = await fails("call", `${SERVICE}/Quick`, "{}", "--async");
    expect(said).toContain("cannot be called async: its contract does not say so");
    expect(said).toContain("METHOD_NOT_ASYNC");
  });

  test("a plain call of a method that is only async", async () => {
    const said = await fails("call", `${SERVICE}/WorkOnce`, "{}");
    expect(said).toContain("WorkOnce is async by its contract: its callers get an operation");
  });

  test("an async call with a header, which it could not carry", async () => {
    const said = await fails("call", `${SERVICE}/Work`, "{}", "--async", "-H", "x-lab:7");
    expect(said).toContain('An async call carries no headers but "rouse-key", and -H names "x-lab".');
  });

  test("to list what goes on, at the edge without a provider's key", async () => {
    const list = (metadata: Metadata) =>
      withClient(OperationsClient, mesh.edge, (edge) =>
        unary(
          edge,
          "listOperations",
          { service: SERVICE, state: OperationState.UNSPECIFIED, limit: 1 },
          { metadata },
        ),
      );
    await expect(list(new Metadata())).rejects.toMatchObject({
      status: "UNAUTHENTICATED",
      reason: "KEY_MISSING",
    });
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${adminKey()}`);
    expect((await list(metadata)).operations).toHaveLength(1);
  });

  test("to read or store contents of artifacts at the edge without a provider's key", async () => {
    const uri = await put("wool", { name: "wool.txt" });
    const ask = (path: string, request: RequestInit = {}) =>
      fetch(`http://${mesh.edge}/content/${path}`, request);
    const path = digestOf(uri);
    const refused = await ask(path);
    expect([refused.status, await refused.json()]).toMatchObject([401, { reason: "KEY_MISSING" }]);
    const headers = { authorization: `Bearer ${adminKey()}` };
    expect(await (await ask(path, { headers })).text()).toBe("wool");
    expect((await ask("new?name=more", { method: "PUT", body: "more" })).status).toBe(401);
    expect((await ask("new?name=more", { method: "PUT", body: "more", headers })).status).toBe(201);
    const atEdge = artifacts({ target: mesh.edge, headers });
    let read = "";
    for await (const chunk of atEdge.get(uri)) read += chunk;
    expect(read).toBe("wool");
    atEdge.close();
  });

  test("an operation that is not there", async () => {
    expect(await fails("operations", "wait", "nonsense")).toContain('There is no operation "nonsense"');
  });

  test("a time that the contract does not allow", async () => {
    const said = await fails("call", `${SERVICE}/Work`, "{}", "--async", "--deadline", "700000");
    expect(said).toContain("deadline_ms is 700000; the contract allows 600000 at most");
  });
});

describe("of what is asked for with a provider's key at the edge", () => {
  const keys: Record<string, string> = {};
  beforeAll(async () => {
    for (const provider of ["anna", "bert"]) {
      const made = await rouseOk(
        ["provider", "create", provider, "--contact", "a@example.org", "--registry", mesh.registry],
        {
          XDG_CONFIG_HOME: join(mesh.data, "config"),
          ROUSE_KEY: adminKey(),
        },
      );
      keys[provider] = /^rouse_\S+$/m.exec(made)?.[0] ?? "";
    }
    keys.administrator = adminKey();
  });
  const headersOf = (provider: string) => ({ authorization: `Bearer ${keys[provider]}` });
  const metadataOf = (provider: string) => {
    const metadata = new Metadata();
    if (provider !== "") metadata.set("authorization", `Bearer ${keys[provider]}`);
    return { metadata, deadlineMs: 60_000 };
  };
  const notYours = {
    status: "PERMISSION_DENIED",
    reason: "NOT_YOUR_WORK",
    message: expect.stringMatching(/^(Operation|Order|Run) \S+ was asked for with a provider's key/),
  };

  test("an async call is its provider's: another one neither lists, reads nor cancels it", async () => {
    using worker = client();
    const slow = { ...work, steps: 600, stepMs: 1_000 };
    const started = await worker.async.work(slow, { headers: headersOf("anna"), idempotencyKey: "anna's" });
    const { id } = started;
    const at = (provider: string) =>
      operation(methods.work, id, {
        target: mesh.edge,
        ...(provider !== "" && { headers: headersOf(provider) }),
      });
    const watched = async (of: ReturnType<typeof at>) => {
      for await (const _ of of.watch()) return;
    };
    const listed = (provider: string) =>
      withClient(OperationsClient, mesh.edge, async (edge) => {
        const asked = { service: SERVICE, state: OperationState.UNSPECIFIED, limit: 500 };
        const { operations } = await unary(edge, "listOperations", asked, metadataOf(provider));
        return operations.some((one) => one.id === id);
      });
    expect(await listed("anna")).toBe(true);
    expect(await listed("administrator")).toBe(true);
    expect(await listed("bert")).toBe(false);
    for (const other of ["bert", ""]) {
      await expect(at(other).get()).rejects.toMatchObject(notYours);
      await expect(at(other).wait({ timeoutMs: 1_000 })).rejects.toMatchObject(notYours);
      await expect(watched(at(other))).rejects.toMatchObject(notYours);
      await expect(at(other).cancel("mine")).rejects.toMatchObject(notYours);
    }
    const again = { headers: headersOf("bert"), idempotencyKey: "anna's" };
    await expect(worker.async.work(slow, again)).rejects.toMatchObject(notYours);
    expect(await at("anna").get()).toMatchObject({ error: undefined });
    await at("anna").cancel("enough");
    await expect(at("administrator").wait()).rejects.toMatchObject({ reason: "OPERATION_CANCELLED" });
  });

  test("the same goes for orders", async () => {
    await withClient(OrdersClient, mesh.edge, async (edge) => {
      const task = {
        name: "",
        service: SERVICE,
        version: "",
        method: "Work",
        parameters: '{"steps":600,"stepMs":1000}',
      };
      const tasks = [{ ...task, inputs: {}, metadata: {}, after: [] }];
      const order = { name: "", tasks, metadata: {}, idempotencyKey: "", keepMs: 0, validateOnly: false };
      const { id } = await unary(edge, "createOrder", order, metadataOf("anna"));
      const listed = async (provider: string) => {
        const asked = { service: SERVICE, state: OrderState.UNSPECIFIED, limit: 500 };
        const { orders } = await unary(edge, "listOrders", asked, metadataOf(provider));
        return orders.some((one) => one.id === id);
      };
      expect(await Promise.all(["anna", "bert", "administrator"].map(listed))).toEqual([true, false, true]);
      for (const other of ["bert", ""]) {
        await expect(unary(edge, "getOrder", { id }, metadataOf(other))).rejects.toMatchObject(notYours);
        const cancel = unary(edge, "cancelOrder", { id, reason: "mine" }, metadataOf(other));
        await expect(cancel).rejects.toMatchObject(notYours);
      }
      // So is the call that the order makes, though its idempotency key can be known.
      let call = "";
      await until("its call runs", async () => {
        const running = await withClient(OperationsClient, mesh.edge, (at) =>
          unary(
            at,
            "listOperations",
            { service: SERVICE, state: OperationState.RUNNING, limit: 500 },
            metadataOf("anna"),
          ),
        );
        call = running.operations.find(({ asker }) => asker === "anna")?.id ?? "";
        return call !== "";
      });
      using worker = client();
      const guess = { idempotencyKey: `order:${id}:0:1` };
      await expect(worker.async.work(work, guess)).rejects.toMatchObject(notYours);
      await expect(worker.async.work(work, { ...guess, headers: headersOf("anna") })).rejects.toMatchObject({
        reason: "IDEMPOTENCY_KEY_REUSED",
        metadata: { operation: call },
      });
      await expect(again(call).cancel("mine")).rejects.toMatchObject(notYours);
      const cancelled = await unary(edge, "cancelOrder", { id, reason: "enough" }, metadataOf("anna"));
      expect(cancelled).toMatchObject({ state: OrderState.CANCELLED, asker: "anna" });
    });
  });

  test("an artifact's history tells whose key it was stored with", async () => {
    const stored = async (provider: string) => {
      const headers = headersOf(provider);
      const store = artifacts({ target: mesh.edge, headers });
      try {
        const { uri } = await store.put(Buffer.from("fleece"));
        const request = { method: "PUT", body: "fleece by HTTP", headers };
        const answer = await fetch(`http://${mesh.edge}/content/new?name=fleece`, request);
        const other = (await answer.json()) as { readonly uri: string };
        const histories = await Promise.all([uri, other.uri].map((each) => store.history(each)));
        return histories.map((events) => events.map(({ by }) => by));
      } finally {
        store.close();
      }
    };
    expect(await stored("anna")).toEqual([["anna"], ["anna"]]);
    expect(await stored("bert")).toEqual([
      ["anna", "bert"],
      ["anna", "bert"],
    ]);
  });
});

describe.skipIf(chromiumPath === undefined)("the site of a mesh whose work is guarded", () => {
  let chromium: TestBrowser;
  beforeAll(async () => {
    chromium = await startChromium();
  });
  afterAll(() => chromium?.close());

  test("says that a key is needed and where it is entered, and shows all with it", async () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="red"/></svg>`;
    const uri = await put(svg, { name: "sheep.svg", mediaType: "image/svg+xml" });
    const page = await chromium.browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(60_000);
    const open = (path: string) => page.goto(`http://${mesh.edge}${path}`);
    const main = page.locator("main");
    for (const [path, what] of [
      ["/orders", "the orders"],
      ["/operations", "the async calls"],
      ["/tasks", "the tasks"],
      ["/artifacts", "the artifacts"],
      ["/runs", "the durable runs"],
    ]) {
      await open(path ?? "");
      await main.getByText(`A key is needed to see ${what}.`).waitFor();
    }
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/guard.png` });
    const field = page.getByLabel("Your key");
    await field.fill("rouse_wrong");
    await field.press("Enter");
    await main.getByText("is not, or no longer, good").waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/guard-wrong.png` });
    await page.getByRole("button", { name: "Forget it" }).click();
    await field.fill(adminKey());
    await field.press("Enter");
    await main.getByText("There is no durable run yet").waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/guard-key.png` });
    // Of the browser itself, which says nothing of a key.
    await page.getByRole("link", { name: "Artifacts" }).click();
    await page.getByRole("link", { name: "sheep.svg" }).click();
    const picture = page.getByRole("img", { name: "sheep.svg" });
    await expect
      .poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth), { timeout: 60_000 })
      .toBe(8);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/guard-picture.png` });
    const status = () =>
      page.evaluate(
        async (path) => (await fetch(path, { cache: "no-store" })).status,
        `/content/${digestOf(uri)}`,
      );
    expect(await status()).toBe(200);
    await page.getByRole("button", { name: "Forget it" }).click();
    expect(await status()).toBe(401);
    await open("/artifacts");
    await main.getByText("A key is needed to see the artifacts.").waitFor();
  });
});
