import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Artifacts, artifacts } from "../sdk/client/index.ts";
import { submitTask, subtask, taskQueue, taskWorker } from "../sdk/tasks/index.ts";
import { createTallyServiceClient } from "./fixtures/tally/gen/tally/v1/tally.client.ts";
import { createWorkerServiceClient } from "./fixtures/worker/gen/worker/v1/worker.client.ts";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { root, rouseOk } from "./support/rouse.ts";

const work = { steps: 1, stepMs: 1, fail: "", bytes: 0 };
/** Of work that ends only when it is told to. */
const endless = { ...work, steps: 600, stepMs: 1_000 };
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe.skipIf(chromiumPath === undefined)("the site's pages of work, on a whole mesh", () => {
  let mesh: TestMesh;
  let worker: Probe;
  let chromium: TestBrowser;
  let page: Page;
  const problems: string[] = [];
  /** Pages that each have something to show. */
  const shown: string[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
    worker = await makeProbe({ fixture: "worker" });
    await worker.register(mesh.data);
    chromium = await startChromium();
    page = await chromium.browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(60_000);
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) problems.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`http://${mesh.edge}/`) && !/^(blob|data):/.test(url))
        problems.push(`asked for ${url}`);
    });
  });
  afterAll(async () => {
    await chromium?.close();
    await mesh?.close();
    await worker?.remove();
  });

  const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 60_000 });
  const open = async (path: string, on = page) => {
    await on.goto(`http://${mesh.edge}${path}`);
    await on.locator("main h1").first().waitFor();
    await on.locator(".loading").first().waitFor({ state: "detached" });
  };
  const main = () => page.locator("main");
  const badge = () => page.locator("main .badge").first();
  const client = () => createWorkerServiceClient({ target: mesh.edge });

  test.each([
    ["/orders", "There is no order yet."],
    ["/operations", "There is no async call yet."],
    ["/runs", "There is no durable run yet"],
    ["/tasks", "There is no task yet."],
    ["/artifacts", "There is no artifact yet."],
  ])("where nothing is, %s says what brings it", async (path, said) => {
    await open(path);
    await main().getByText(said).waitFor();
  });

  describe("orders", () => {
    const node = (name: RegExp) => page.getByRole("group", { name: /^Workflow/ }).getByRole("link", { name });
    const task = (parameters: object, after: string[] = []) => ({
      service: "worker.v1.WorkerService",
      method: "Work",
      parameters,
      after,
    });
    const order = async (name: string, tasks: object) => {
      const file = join(mesh.data, `${name}.json`);
      await writeFile(file, JSON.stringify({ name, tasks }));
      return (await rouseOk(["order", "--workflow", file, "--data", mesh.data])).trim();
    };

    test("a workflow is seen on its way, cancelled, and taken up again where it stopped", async () => {
      const id = await order("shearing", {
        count: task({ steps: 1, stepMs: 1 }),
        shear: task({ steps: 600, stepMs: 1_000 }, ["count"]),
        sell: task({ steps: 1 }, ["shear"]),
      });
      await open("/orders?state=running");
      await page.getByRole("button", { name: "Refresh" }).click();
      await page.getByRole("link", { name: "shearing" }).click();
      await node(/^count succeeded/).waitFor();
      await node(/^shear running/).click();
      await page.waitForURL(/\?task=shear$/);
      await page
        .getByRole("region", { name: "Task shear" })
        .getByText(/step \d+ of 600/)
        .waitFor();
      expect(await node(/^sell waiting, after shear/).count()).toBe(1);
      await page.getByText("Cancel this order").click();
      await page.getByLabel("Reason, for those who wait").fill("it rains");
      await page.getByRole("button", { name: "Cancel the order" }).click();
      await main()
        .getByText(/was cancelled: it rains/)
        .first()
        .waitFor();
      await node(/^shear cancelled/).waitFor();
      await page.getByRole("button", { name: "Take it up again" }).click();
      await node(/^shear running/).waitFor();
      expect(await node(/^count succeeded/).count()).toBe(1);
      await rouseOk(["orders", "cancel", id, "--data", mesh.data]);
      await node(/^shear cancelled/).waitFor();
      shown.push("/orders", `/orders/${id}?task=shear`);
    });

    test("what failed says why, with its log", async () => {
      const id = await order("fails", { main: task({ steps: 1, fail: "The sheep are out." }) });
      await open(`/orders/${id}`);
      await page.getByRole("region", { name: "Task main" }).getByText("The sheep are out.").first().waitFor();
      await page.getByRole("log").getByText("The sheep are out.").waitFor();
      expect(await badge().textContent()).toBe("failed");
      await open("/orders/nonsense");
      await page.getByRole("alert").getByText("nonsense").waitFor();
    });
  });

  describe("tasks", () => {
    test("a task is seen with its subtasks, its workers and all that became of it", async () => {
      const flock = taskQueue<{ sheep: number }, number>("flock");
      const released = Promise.withResolvers<void>();
      const worker = taskWorker(flock, {
        target: mesh.mesh,
        room: 5,
        name: "shepherd",
        async handle({ sheep }, task) {
          if (sheep === 0) {
            await released.promise;
            return 1;
          }
          if (task.turn === 1)
            return task.split(Array.from({ length: sheep }, () => subtask(flock, { sheep: 0 })));
          return (await task.results(flock)).length;
        },
      });
      try {
        const task = await submitTask(flock, { sheep: 3 }, { target: mesh.mesh });
        await open("/tasks?queue=flock");
        await page.getByRole("region", { name: "Workers" }).getByText("shepherd").waitFor();
        await page.getByRole("link", { name: task.id.slice(0, 8) }).click();
        const tree = page.getByRole("region", { name: "Subtasks" });
        await tree.getByText("0 of 3 subtasks done").waitFor();
        await eventually(() => tree.getByText("working").count()).toBe(3);
        expect(await badge().textContent()).toBe("waits for subtasks");
        shown.push(`/tasks/${task.id}`);
        released.resolve();
        await tree.getByText("3 of 3 subtasks done").waitFor();
        await main().locator("h1 + .badge", { hasText: "done calculating" }).waitFor();
        await page.getByRole("region", { name: "Changes" }).getByRole("cell", { name: "split" }).waitFor();
        await tree.getByRole("link").first().click();
        await page.getByRole("link", { name: task.id.slice(0, 8) }).click();
        await tree.getByText("3 of 3 subtasks done").waitFor();
      } finally {
        released.resolve();
        await worker.close();
      }
    });

    test("one that nobody takes is cancelled with a reason", async () => {
      const task = await submitTask(taskQueue<object, never>("nobody"), {}, { target: mesh.mesh });
      await open(`/tasks/${task.id}`);
      await main().locator("h1 + .badge", { hasText: "unassigned" }).waitFor();
      await page.getByText("Cancel this task").click();
      await page.getByLabel("Reason, for those who wait").fill("no shepherd");
      await page.getByRole("button", { name: "Cancel the task" }).click();
      await main()
        .getByText(/no shepherd/)
        .first()
        .waitFor();
      shown.push("/tasks");
    });
  });

  describe("durable runs", () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tally-"));
      await cp(join(root, "test/fixtures/tally"), folder, { recursive: true });
      await rm(join(folder, "gen"), { recursive: true, force: true });
      await mkdir(join(folder, "node_modules"));
      await symlink(root, join(folder, "node_modules", "rouse"));
      await rouseOk(["gen", "--dir", folder]);
      await rouseOk(["register", "--dir", folder, "--data", mesh.data]);
    });
    afterAll(async () => {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    });
    const journal = () => page.getByRole("region", { name: "Journal" });
    const tally = () => createTallyServiceClient({ target: mesh.edge });

    test("one that waits for an answer is given it", async () => {
      using client = tally();
      const run = await client.async.ask({ name: "count" }, { key: "wool" });
      await open("/runs?service=tally.v1.TallyService");
      await page.getByRole("link", { name: run.id.slice(0, 8) }).click();
      await journal().getByLabel("Answer to count, as JSON").fill("wool");
      await journal().getByRole("button", { name: "Answer" }).click();
      await page.getByRole("alert").getByText("The answer is no JSON").waitFor();
      await journal().getByLabel("Answer to count, as JSON").fill("41");
      await journal().getByRole("button", { name: "Answer" }).click();
      await page.getByRole("region", { name: "Result" }).getByText('"wool: 41"').waitFor();
      shown.push("/runs", `/runs/${run.id}`);
    });

    test("the journal has each step with its value, and is run again from one", async () => {
      using client = tally();
      const run = await client.async.add({ numbers: [1, 2, 3] }, { key: "sum" });
      await run.wait();
      await open(`/runs/${run.id}`);
      const steps = journal().getByRole("listitem");
      expect(await steps.count()).toBe(3);
      await steps.nth(2).getByText("Value").click();
      await steps.nth(2).getByText("6", { exact: true }).waitFor();
      await journal().getByRole("button", { name: "Run again from here: 1, step add 1" }).click();
      await main().getByText("retried 1 time").waitFor();
      await main().locator("h1 + .badge", { hasText: "succeeded" }).waitFor();
      await eventually(() => steps.count()).toBe(3);
    });

    test("what calls with a key have kept is listed with who kept it", async () => {
      using client = tally();
      await client.count({ number: 2 }, { key: "eggs" });
      const run = await client.async.count({ number: 40 }, { key: "eggs" });
      await run.wait();
      await open("/runs?service=tally.v1.TallyService");
      const row = page
        .getByRole("region", { name: "Kept values" })
        .getByRole("row")
        .filter({ hasText: "eggs" });
      await row.getByRole("link", { name: run.id.slice(0, 8) }).waitFor();
      expect(await row.getByRole("cell").nth(1).textContent()).toBe("all");
      await row.getByText("Value").click();
      await row.getByText("42", { exact: true }).waitFor();
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/kept.png`, fullPage: true });
      shown.push("/runs?service=tally.v1.TallyService");
    });
  });

  describe("artifacts", () => {
    let store: Artifacts;
    beforeAll(() => {
      store = artifacts({ target: mesh.mesh });
    });
    afterAll(() => store?.close());
    const content = () => page.getByRole("region", { name: "Content" });
    const put = async (name: string, text: string | Uint8Array, metadata: Record<string, string> = {}) => {
      const { uri } = await store.put(Buffer.from(text), { name, metadata });
      return `/artifacts/${/sha256-[0-9a-f]{64}/.exec(uri)?.[0]}`;
    };

    test("are found by words and metadata, which are in the address", async () => {
      await put("genome.fa", ">lambda\nGGGCGGCGAC\n", { organism: "lambda", bases: "10" });
      await put("other.fa", ">T4\nAATTT\n", { organism: "T4", bases: "5" });
      await open("/artifacts");
      await page.getByRole("link", { name: "genome.fa" }).waitFor();
      await page.getByLabel("Metadata, such as organism=lambda").fill("organism=lambda, bases>=7");
      await page.keyboard.press("Enter");
      await page.waitForURL(/where=organism%3Dlambda&where=bases/);
      await page.getByRole("link", { name: "other.fa" }).waitFor({ state: "detached" });
      await page.getByRole("link", { name: "genome.fa" }).click();
      await content().getByText("GGGCGGCGAC").waitFor();
      expect(await page.getByRole("term").allTextContents()).toContain("organism");
      await page.getByRole("region", { name: "History" }).getByText("stored").waitFor();
      await open("/artifacts?q=zzzz");
      await main().getByText("There is no artifact like that.").waitFor();
      shown.push("/artifacts");
    });

    test("tables, JSON, Markdown, pictures and bytes are each shown as what they are", async () => {
      const table = await put("windows.csv", 'start,gene\n1,"cI, cro"\n');
      await open(table);
      expect(await content().getByRole("row").nth(1).getByRole("cell").allTextContents()).toEqual([
        "1",
        "cI, cro",
      ]);
      await open(await put("report.json", '{"gc":0.4986}'));
      await content().getByText('"gc": 0.4986').waitFor();
      await open(await put("notes.md", "# Notes\n\n<img src=x onerror=alert(1)> **bold**\n"));
      await content().getByText("bold", { exact: true }).waitFor();
      expect(await content().locator("img").count()).toBe(0);
      await open(await put("reads", new Uint8Array([0, 1, 2, 254])));
      await content().getByText("00 01 02 fe").waitFor();
      const hostile =
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>document.title="owned"</script><rect width="9" height="9"/></svg>';
      await open(await put("plot.svg", hostile));
      shown.push(table, new URL(page.url()).pathname);
      const picture = content().getByRole("img", { name: "plot.svg" });
      await eventually(() => picture.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(40);
      expect(await page.title()).toBe("plot.svg · Rouse");
    });

    test("are had as files, with their own names and bytes", async () => {
      const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
      await open(await put("reads 1.bin", bytes));
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download (2.9 MiB)" }).click();
      const file = await download;
      expect(file.suggestedFilename()).toBe("reads 1.bin");
      expect((await readFile(await file.path())).equals(bytes)).toBe(true);
    });

    test("that are gone say what became of them", async () => {
      const path = await put("wrong.txt", "wrong sample");
      await store.remove(`artifact:${path.slice("/artifacts/".length)}`, "the wrong sample");
      await open(path);
      await page.getByRole("alert").getByText("ARTIFACT_REMOVED").waitFor();
      await page.getByRole("region", { name: "History" }).getByText("the wrong sample").waitFor();
      await open(`/artifacts/sha256-${"0".repeat(64)}`);
      await page.getByRole("alert").getByText("ARTIFACT_UNKNOWN").waitFor();
    });
  });

  describe("async calls", () => {
    test("one is seen on its way, in the list and by itself, and is cancelled with a reason", async () => {
      using caller = client();
      await open("/operations?service=worker.v1.WorkerService");
      const started = await caller.async.work(endless);
      await page.getByRole("button", { name: "Refresh" }).click();
      const row = page.getByRole("row", { name: started.id.slice(0, 8) });
      await row.getByText("running").waitFor();
      // Nobody clicks: the list is read again while something is under way.
      const before = await row.getByText(/step \d+ of 600/).textContent();
      await eventually(() => row.getByText(/step \d+ of 600/).textContent()).not.toBe(before);
      await row.getByRole("link", { name: started.id.slice(0, 8) }).click();
      await page.getByRole("progressbar").waitFor();
      const first = await main()
        .getByText(/step \d+ of 600/)
        .textContent();
      await eventually(() =>
        main()
          .getByText(/step \d+ of 600/)
          .textContent(),
      ).not.toBe(first);
      await page.getByText("Cancel this call").click();
      await page.getByLabel("Reason, for those who wait").fill("the sample was mixed up");
      await page.getByRole("button", { name: "Cancel the call" }).click();
      await main().getByText("The operation was cancelled: the sample was mixed up.").waitFor();
      expect(await badge().textContent()).toBe("cancelled");
      expect(await page.getByText("Cancel this call").count()).toBe(0);
      await expect(started.wait()).rejects.toMatchObject({ reason: "OPERATION_CANCELLED" });
    });

    test("a result is shown by its contract, and is had as a file", async () => {
      using caller = client();
      const started = await caller.async.work({ ...work, steps: 2, stepMs: 1, bytes: 3 });
      await open(`/operations/${started.id}`);
      const result = page.getByRole("region", { name: "Result" });
      await result.getByText('"payload": "AAAA"').waitFor();
      const download = page.waitForEvent("download");
      await result.getByRole("button", { name: "Download" }).click();
      const file = await download;
      expect(file.suggestedFilename()).toBe(`Work-${started.id.slice(0, 8)}.json`);
      expect(JSON.parse(await readFile(await file.path(), "utf8"))).toMatchObject({
        version: "1.0.0",
        operation: started.id,
        payload: "AAAA",
      });
      shown.push("/operations", `/operations/${started.id}`);
    });

    test("an error is the call's own", async () => {
      using caller = client();
      const started = await caller.async.work({ ...work, fail: "The sheep are out." });
      await open(`/operations/${started.id}`);
      const alert = page.getByRole("alert");
      await alert.getByText("The sheep are out.").waitFor();
      expect(await alert.textContent()).toContain("WORK_REFUSED");
      await open("/operations?state=failed");
      await page.getByRole("row", { name: started.id.slice(0, 8) }).waitFor();
      const states = await page.locator("td .badge").allTextContents();
      expect(new Set(states)).toEqual(new Set(["failed"]));
      shown.push(`/operations/${started.id}`);
    });

    test("one that is not there is told", async () => {
      await open("/operations/nonsense");
      await page.getByRole("alert").getByText('There is no operation "nonsense"').waitFor();
    });
  });

  test("every page on a phone of 360 pixels: nothing scrolls sideways", async () => {
    const phone = await chromium.browser.newPage({ viewport: { width: 360, height: 740 } });
    phone.setDefaultTimeout(60_000);
    for (const path of shown) {
      await open(path, phone);
      const over = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect({ path, over }).toEqual({ path, over: 0 });
    }
    await phone.close();
  });

  test.each(["light", "dark"] as const)("axe finds nothing serious in the %s theme", async (colorScheme) => {
    const themed = await chromium.browser.newPage({ colorScheme, bypassCSP: true });
    themed.setDefaultTimeout(60_000);
    await themed.addInitScript(axe);
    const rules = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
    const found: string[] = [];
    for (const path of shown) {
      await open(path, themed);
      const { violations } = await themed.evaluate(
        (options) =>
          (window as unknown as { axe: { run(options: object): Promise<AxeResult> } }).axe.run(options),
        { resultTypes: ["violations"], ...rules },
      );
      for (const { id, impact, nodes } of violations)
        if (impact === "serious" || impact === "critical") found.push(`${path} ${id}: ${nodes[0]?.html}`);
    }
    expect(found).toEqual([]);
    await themed.close();
  });

  test("nothing failed unseen, and nobody but the edge was asked", () => {
    expect(problems).toEqual([]);
  });
});

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}
