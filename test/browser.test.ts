import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageServer, servePage } from "../examples/browser/page-server.ts";
import { findChromium } from "../setup/chromium.ts";
import { runningInstances } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { root, rouseOk } from "./support/rouse.ts";

const executablePath = findChromium();
if (executablePath === undefined && process.env.CI === "true") throw new Error("There is no Chromium.");

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const genome = "genome.v1.GenomeService";
const composition = "composition.v1.CompositionService";

describe.skipIf(executablePath === undefined)("a page in Chromium, over gRPC-web and Envoy's edge", () => {
  let mesh: TestMesh;
  let server: PageServer;
  let browser: Browser;
  let page: Page;
  let profile: string;
  const problems: string[] = [];

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
    for (const name of ["genome-1", "genome", "composition"])
      await rouseOk(["register", "--dir", join(root, "examples", name), "--data", mesh.data]);
    server = await servePage({ edge: `http://${mesh.edge}`, port: 0 });
    profile = await mkdtemp(join(tmpdir(), "rouse-chromium-"));
    browser = await chromium.launch({
      executablePath: executablePath ?? "",
      args: quiet,
      env: { ...process.env, HOME: profile },
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 760 } });
    page.on("pageerror", (error) => problems.push(error.message));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await mesh?.close();
    if (profile !== undefined) await rm(profile, { recursive: true, force: true });
  });

  /** The newest call of a method: its row in the page's list, once it has ended. */
  const ended = (what: string) =>
    page.locator(`#calls li:is(.ok, .failed):has(span:text-is("${what}"))`).first();
  const details = () => page.locator("#details dl").textContent();
  const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 60_000 });
  async function goTo(place: string): Promise<void> {
    await page.fill("#location", place);
    await page.press("#location", "Enter");
  }

  test("shows a cold start as progress: who wakes, how far it is, and then what each stage took", async () => {
    expect(await runningInstances(mesh, genome)).toEqual([]);
    expect(await runningInstances(mesh, composition)).toEqual([]);
    // An agent that stands still makes the start last until everything was looked at.
    mesh.kill("agent", "SIGSTOP");
    try {
      await page.goto(server.url);
      const card = page.locator("#waking");
      await card.waitFor();
      await eventually(() => card.locator("strong").textContent()).toBe(`${genome} 2.0.0`);
      await eventually(() => card.locator("ol .now").textContent()).toBe("instance starts");
      expect(await card.locator("#waking-title").textContent()).toBe("Waking services");
      expect(await card.locator("ol .past").textContent()).toBe("call held");
      const clock = () => card.locator(".clock").textContent();
      const before = await clock();
      await eventually(clock).not.toBe(before);
      expect(await page.locator("#status").textContent()).toBe("Waiting …");
    } finally {
      mesh.kill("agent", "SIGCONT");
    }
    await ended("StreamWindows @2").waitFor();
    await page.locator("#waking").waitFor({ state: "hidden" });
    const wakes = page.locator("#wakes > li");
    await eventually(() => wakes.count()).toBe(2);
    for (const wake of await wakes.all())
      expect(await wake.locator("p").textContent()).toMatch(/started \d+ ms, ready \d+ ms, pushed \d+ ms/);
  });

  test("draws the whole genome from the services that it woke, and the service which these call", async () => {
    await ended("ListReferences @2").waitFor();
    await ended("StreamWindows @2").waitFor();
    await ended("StreamFeatures @2").waitFor();
    expect(await page.locator("#title").textContent()).toBe("NC_001416.1");
    expect(await page.locator("#location").inputValue()).toBe("NC_001416.1:1-48,502");
    // 69 genes and 6 operators, and a window for each 195 bases.
    expect(await ended("StreamFeatures @2").textContent()).toMatch(/^StreamFeatures @2\s*75 in \d+ ms$/);
    expect(await ended("StreamWindows @2").textContent()).toMatch(/^StreamWindows @2\s*249 in \d+ ms$/);
    await expect.poll(() => runningInstances(mesh, genome)).toHaveLength(1);
    await expect.poll(() => runningInstances(mesh, composition)).toHaveLength(1);
    expect(await page.locator("#status").getAttribute("data-state")).toBe("ok");
  });

  test("shows what version 2 knows of a gene, and fetches its bases when they can be read", async () => {
    await goTo("cI");
    await eventually(details).toContain("namecItypegeneplace37,227–37,940length714 bases");
    expect(await details()).toContain("strandreverseroleregulation");
    await ended("GetSequence @2").waitFor();
  });

  const seen = async () => {
    const [, start = "", end = ""] =
      /:([\d,]+)-([\d,]+)$/.exec(await page.locator("#location").inputValue()) ?? [];
    return { start: Number(start.replaceAll(",", "")), end: Number(end.replaceAll(",", "")) };
  };
  const bases = async () => {
    const { start, end } = await seen();
    return end - start + 1;
  };

  test("zooms and moves by wheel, buttons, keys, drag and pinch", async () => {
    await page.click("#all");
    await eventually(bases).toBe(48_502);
    const canvas = page.locator("#canvas");
    const box = await canvas.boundingBox();
    if (box === null) throw new Error("the canvas is not there");
    const [x, y] = [box.x + box.width / 2, box.y + 40];
    await page.mouse.move(x, y);
    await page.mouse.wheel(0, -600);
    await eventually(bases).toBeLessThan(30_000);
    const wheel = await seen();
    // What is under the pointer stays there.
    expect(Math.abs((wheel.start + wheel.end) / 2 - 24_251)).toBeLessThan(200);
    await page.mouse.down();
    await page.mouse.move(x + 200, y, { steps: 4 });
    await page.mouse.up();
    await eventually(async () => (await seen()).start).toBeLessThan(wheel.start);
    expect(Math.abs((await bases()) - (wheel.end - wheel.start + 1))).toBeLessThan(3);
    await page.click("#in");
    await eventually(bases).toBeLessThan(16_000);
    await canvas.focus();
    const keyed = await seen();
    await page.keyboard.press("ArrowRight");
    await eventually(async () => (await seen()).start).toBeGreaterThan(keyed.start);
    await page.keyboard.press("ArrowDown");
    await eventually(bases).toBeGreaterThan(19_000);
    await pinch(canvas, x, y);
    await eventually(bases).toBeLessThan(12_000);
    await page.keyboard.press("0");
    await eventually(bases).toBe(48_502);
  });

  /** Two fingers that go from 60 to 200 pixels apart. */
  async function pinch(canvas: Locator, x: number, y: number): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", half: number) =>
      session.send("Input.dispatchTouchEvent", {
        type,
        touchPoints:
          type === "touchEnd"
            ? []
            : [
                { x: x - half, y, id: 0 },
                { x: x + half, y, id: 1 },
              ],
      });
    await canvas.scrollIntoViewIfNeeded();
    await touch("touchStart", 30);
    for (const half of [50, 70, 100]) await touch("touchMove", half);
    await touch("touchEnd", 0);
    await session.detach();
  }

  test("finds a gene whatever the case, suggests names, and shows a feature that is clicked", async () => {
    expect(await page.locator("#names option").count()).toBe(75);
    await goTo("CRO");
    await eventually(details).toContain("namecrotypegeneplace38,041–38,241");
    await page.click("#details >> text=Sequence");
    await eventually(() => page.locator("#details pre").textContent()).toMatch(
      /^>cro NC_001416\.1:38041-38241\nATGGAACAACGCATAACC/,
    );
    await page.click("#all");
    await page.locator("#feature-list button", { hasText: "bor" }).click();
    await eventually(details).toContain("namebor");
    await page.locator("#canvas").focus();
    await page.keyboard.press("p");
    await eventually(details).not.toContain("namebor");
    // A third of the way: the long gene J is there, in the first lane of its strand.
    await goTo("J");
    await eventually(details).toContain("nameJ");
    await page.locator("#feature-list button", { hasText: "lom" }).click();
    const canvas = await page.locator("#canvas").boundingBox();
    await page.locator("#canvas").click({ position: { x: (canvas?.width ?? 0) / 2, y: 238 } });
    await eventually(details).toContain("nameJtypegene");
    await goTo("nin");
    expect(await page.locator("#error").textContent()).toBe(
      'No gene is called "nin"; there is ninB, ninC, ninD, ninE, ninF, ninG, ….',
    );
    await page.click("#all");
  });

  test("shows other types of features when they are asked for", async () => {
    await page.locator("#types").getByLabel("CDS").check();
    await eventually(() => page.locator("#feature-count").textContent()).toContain("145 in view");
    await page.locator("#types").getByLabel("CDS").uncheck();
    await eventually(() => page.locator("#feature-count").textContent()).toContain("75 in view");
  });

  test("is accessible, in light and dark, and fits a phone", async () => {
    const audit = await readFile(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(audit);
      const found = await page.evaluate<string[]>(
        "axe.run().then(({violations}) => violations.map((v) => v.impact + ' ' + v.id + ': ' + v.nodes[0].html))",
      );
      expect(found.filter((line) => /^(serious|critical)/.test(line))).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 760 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await page.setViewportSize({ width: 1280, height: 760 });
  });

  test("wakes version 1 when the user switches to it, which knows less", async () => {
    await page.click('[data-version="1"]');
    await ended("StreamFeatures @1").waitFor();
    await ended("StreamWindows @1").waitFor();
    await expect.poll(() => runningInstances(mesh, genome)).toHaveLength(2);
    await goTo("cI");
    await eventually(details).toContain("namecItypegene");
    expect(await details()).not.toMatch(/strand|role/);
  });

  test("shows the mesh's own words when a version is stopped", async () => {
    await rouseOk(["stop", genome, "1.0.0", "--reason", "the archive moves", "--data", mesh.data]);
    await page.click('[data-version="1"]');
    const error = page.locator("#error");
    await eventually(() => error.textContent()).toContain("stopped by an administrator: the archive moves");
    expect(await ended("ListReferences @1").getAttribute("class")).toBe("failed");
    await rouseOk(["start", genome, "1.0.0", "--data", mesh.data]);
    await error.getByText("Try again").click();
    await eventually(() => error.isHidden()).toBe(true);
    await ended("StreamFeatures @1").waitFor();
    await page.click('[data-version="2"]');
    await ended("StreamFeatures @2").waitFor();
  });

  test("says what is wrong with a place, and nothing fails unseen", async () => {
    await goTo("chr1:1-2");
    expect(await page.locator("#error").textContent()).toBe(
      'There is no reference "chr1"; there is NC_001416.1.',
    );
    expect(problems).toEqual([]);
  });
});
