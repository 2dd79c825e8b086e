import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
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

  test("wakes the services that it calls, and the service which these call", async () => {
    expect(await runningInstances(mesh, genome)).toEqual([]);
    expect(await runningInstances(mesh, composition)).toEqual([]);
    await page.goto(server.url);
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
    await page.click('[data-version="2"]');
    await eventually(() => error.isHidden()).toBe(true);
  });

  test("says what is wrong with a place, and nothing fails unseen", async () => {
    await goTo("chr1:1-2");
    expect(await page.locator("#error").textContent()).toBe(
      'There is no reference "chr1"; there is NC_001416.1.',
    );
    expect(problems).toEqual([]);
  });
});
