import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { root, rouseOk } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const { available } = await dockerRuntime();
const workflow = join(root, "examples", "analysis", "phage.json");

describe.skipIf(!available || chromiumPath === undefined)(
  "the example of a workflow, with jobs in Docker",
  () => {
    let mesh: TestMesh;
    let chromium: TestBrowser;
    let page: Page;
    let id: string;

    const rouse = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);
    const outputs = () => page.getByRole("region", { name: "Tasks" });

    beforeAll(async () => {
      mesh = await startMesh({ runtime: "docker" });
      for (const name of ["genome", "composition", "analysis"])
        await rouse("register", "--dir", join(root, "examples", name));
      chromium = await startChromium();
      page = await chromium.browser.newPage();
      page.setDefaultTimeout(120_000);
    });
    afterAll(async () => {
      await chromium?.close();
      await mesh?.close();
    });

    test("its jobs are told from calls on the site", async () => {
      await page.goto(`http://${mesh.edge}/services/analysis.v1.AnalysisService/try?method=Words`);
      await page.getByText(/^Words is a job by its contract: it is not called but ordered/).waitFor();
    });

    test("is checked as a whole before anything starts", async () => {
      expect(await rouse("order", "--workflow", workflow, "--check")).toContain("5 tasks");
      expect(await rouse("orders")).toContain("There are none");
    });

    test("is seen on its way on the site, from the queue to its end", async () => {
      id = (await rouse("order", "--workflow", workflow)).trim();
      await page.goto(`http://${mesh.edge}/orders/${id}`);
      const graph = page.getByRole("group", { name: "Workflow, from left to right" });
      // Nobody loads the page again.
      await page.locator("h1 + .badge", { hasText: "succeeded" }).waitFor();
      expect(await graph.locator("a > title").allTextContents()).toEqual([
        "sequence succeeded",
        "frames succeeded",
        "windows succeeded, after sequence",
        "words succeeded, after sequence",
        "report succeeded, after sequence, frames, windows, words",
      ]);
      await graph.getByRole("link", { name: /^report/ }).click();
      const task = page.getByRole("region", { name: "Task report" });
      await task.getByText(/of a core/).waitFor();
      expect(await task.getByRole("link", { name: "windows.csv" }).count()).toBe(1);
      await page
        .getByRole("log")
        .getByText(/^67 of 215 reading frames have an annotated gene$/)
        .waitFor();
    });

    test("leaves a figure, tables and a summary that are looked at there", async () => {
      await outputs().getByRole("link", { name: "report.svg" }).click();
      const figure = page.getByRole("img", { name: "report.svg" });
      await expect
        .poll(() => figure.evaluate((img: HTMLImageElement) => img.naturalWidth), { timeout: 60_000 })
        .toBe(960);
      await page.getByRole("link", { name: `order ${id.slice(0, 8)}` }).click();
      await outputs().getByRole("link", { name: "words.csv" }).click();
      const ctag = page.getByRole("row", { name: "CTAG" }).getByRole("cell");
      await ctag.first().waitFor();
      expect(await ctag.allTextContents()).toEqual(["CTAG", "26", "57.83", "0.4496"]);
      await page.goBack();
      await outputs().getByRole("link", { name: "report.json" }).click();
      const content = page.getByRole("region", { name: "Content" });
      await content.getByText('"region"').waitFor();
      const json = JSON.parse((await content.textContent()) ?? "") as object;
      expect(json).toMatchObject({
        region: { reference: "NC_001416.1", start: 1, end: 48_502 },
        frames: 215,
        annotated: 67,
        longest: 1_132,
        rarest: [{ word: "CTAG" }, { word: "GATC" }, { word: "GGCC" }],
      });
    });
  },
);
