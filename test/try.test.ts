import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { runningInstances } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { root } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";
const run = promisify(execFile);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const hostile = '</script><img src=x onerror="window.stolen=1"> \u202e"$(touch /tmp/x)" `id` \'; é🧬\n\tend';

describe.skipIf(chromiumPath === undefined)(
  "the site's forms, samples, charts and logs, on a whole mesh",
  () => {
    let mesh: TestMesh;
    let probe: Probe;
    let chromium: TestBrowser;
    let page: Page;
    const problems: string[] = [];

    beforeAll(async () => {
      mesh = await startMesh({ runtime: "process" });
      probe = await makeProbe();
      const main = join(probe.dir, "src", "main.ts");
      const lines = [
        "\u001b[31mred\u001b[0m alert \u001b]0;title\u0007<img src=x onerror=stolen=1>",
        "second line",
      ];
      const print = lines.map((line) => `console.log(${JSON.stringify(line)});\n`).join("");
      await writeFile(main, (await readFile(main, "utf8")) + print);
      await probe.register(mesh.data);
      chromium = await startChromium();
      page = await chromium.browser.newPage({ viewport: { width: 1280, height: 900 } });
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("console", (message) => {
        if (message.text().includes("Content Security Policy")) problems.push(message.text());
      });
    });
    afterAll(async () => {
      await chromium?.close();
      await mesh?.close();
      await probe?.remove();
    });

    const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 60_000 });
    const open = async (tab: string, method: string) => {
      await page.goto(`http://${mesh.edge}/services/${service}/${tab}?method=${method}`);
    };
    const call = (method: string) => page.getByRole("button", { name: `Call ${method}` });
    const field = (name: string) => page.locator(`[id="try-${name}"]`);
    const result = () => page.getByRole("region", { name: "Result" });
    const answer = () => result().locator(".try-answer").first();
    const badge = () => result().locator("h2 .badge").first();

    test("a call of a cold service shows how it wakes, the answer, and its trace with the wake's stages", async () => {
      await open("try", "Echo");
      await field("text").fill(hostile);
      expect(await runningInstances(mesh, service)).toEqual([]);
      // An agent that stands still makes the start last until everything was looked at.
      mesh.kill("agent", "SIGSTOP");
      try {
        await call("Echo").click();
        const waking = page.getByTestId("waking");
        await waking
          .getByText(/^The service (was asleep: this call wakes it|wakes: an instance starts)/)
          .waitFor();
        await eventually(() => waking.locator(".now").textContent()).toBe("an instance starts");
        expect(await badge().textContent()).toContain("waiting");
      } finally {
        mesh.kill("agent", "SIGCONT");
      }
      await eventually(() => badge().textContent()).toBe("OK");
      expect(JSON.parse((await answer().textContent()) ?? "")).toMatchObject({
        text: hostile,
        version: "1.0.0",
      });
      expect(
        await page.evaluate(
          () => ("stolen" in window ? 1 : 0) + document.querySelectorAll("main img").length,
        ),
      ).toBe(0);
      const rows = page.locator(".waterfall tbody th");
      const names = async () => (await rows.allTextContents()).join("\n");
      await eventually(names).toContain("rouse-edge");
      for (const stage of ["placed", "created", "started", "ready", "pushed", "released"])
        await eventually(names).toMatch(new RegExp(`^└ ${stage}\\s*$`, "m"));
      await eventually(names).toMatch(new RegExp(`${service}/Echo ${service}$`, "m"));
      await page.locator(".waterfall tbody button").nth(1).click();
      await page.locator(".waterfall-facts").getByText("upstream_cluster", { exact: true }).waitFor();
      await result()
        .getByText(/^Headers \(\d+\)$/)
        .click();
      await result().getByText("application/grpc-web+proto").waitFor();
    });

    test("axe finds nothing serious in a form with its result, in light and dark; it fits a phone", async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(axe);
        expect(await page.evaluate<string[]>(serious)).toEqual([]);
      }
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize({ width: 360, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
      await page.setViewportSize({ width: 1280, height: 900 });
    });

    test("form and JSON keep in step, and errors stand at the field that is wrong", async () => {
      await open("try", "Tick");
      await field("count").fill("4294967296");
      await call("Tick").click();
      await page.getByRole("alert").getByText("Nothing was sent: the marked fields are wrong.").waitFor();
      expect(await field("count-problem").textContent()).toBe(
        "4294967296 is out of range: write a number from 0 to 4294967295.",
      );
      expect(await page.evaluate(() => document.activeElement?.id)).toBe("try-count");
      expect(await result().count()).toBe(0);
      await field("count").fill("3");
      await page.getByRole("button", { name: "JSON" }).click();
      const json = page.getByLabel("Request as JSON");
      expect(JSON.parse(await json.inputValue())).toEqual({ count: 3 });
      await json.fill('{"count": 3, "interval_ms": 7}');
      await page.getByRole("button", { name: "Form" }).click();
      expect(await field("intervalMs").inputValue()).toBe("7");
      await page.getByRole("button", { name: "JSON" }).click();
      await json.fill('{"count": 3, ');
      await page
        .locator("#try-json-problems")
        .getByText(/^This is no JSON: /)
        .waitFor();
      await json.fill('{"cuont": 3}');
      await page.getByText('probe.v1.TickRequest has no field "cuont"; it has count, intervalMs.').waitFor();
      await call("Tick").click();
      expect(await result().count()).toBe(0);
      await json.fill('{"count": 2}');
      await json.press("Control+Enter");
      await eventually(() => page.getByTestId("count").textContent()).toBe("2");
    });

    test("a stream comes as it is sent, stops when it is told to, and only its latest thousand answers are kept", async () => {
      await open("try", "Tick");
      await field("count").fill("1000000");
      await field("intervalMs").fill("20");
      await call("Tick").click();
      await eventually(async () => Number(await page.getByTestId("count").textContent())).toBeGreaterThan(5);
      expect(await badge().textContent()).toContain("streaming");
      await page.getByRole("button", { name: "Stop" }).click();
      await eventually(() => badge().textContent()).toBe("stopped");
      const count = await page.getByTestId("count").textContent();
      await field("count").fill("1500");
      await field("intervalMs").fill("0");
      await call("Tick").click();
      await eventually(() => badge().textContent()).toBe("OK");
      expect(await page.getByTestId("count").textContent()).toBe("1,500");
      expect(Number(count)).toBeLessThan(1_000_000);
      await result().getByText("the latest 1,000 are kept").waitFor();
      expect(await answer().textContent()).toBe('{"number":1500}');
      expect(await result().locator(".try-answers > li").count()).toBe(50);
    });

    test("errors of the mesh and of deadlines are shown in their own words; a link brings the request back", async () => {
      await open("try", "Echo");
      await field("text").fill("a link");
      await page.getByText("Version, deadline and metadata").click();
      await page.getByLabel("Version", { exact: false }).nth(1).fill("9");
      await page.getByRole("button", { name: "Add a field" }).click();
      await page.getByLabel("Name of metadata field 1").fill("x user");
      await page.getByText("Names have letters, digits, _, - and . only.").waitFor();
      await page.getByLabel("Name of metadata field 1").fill("x-user");
      await call("Echo").click();
      await eventually(() => badge().textContent()).toBe("NOT_FOUND");
      expect(await result().locator(".note.error").textContent()).toContain("1.0.0");
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText("Copied").waitFor();
      const link = await page.evaluate(() => navigator.clipboard.readText());
      await page.goto("about:blank");
      await page.goto(link);
      expect(await field("text").inputValue()).toBe("a link");
      await page.getByLabel("Version", { exact: false }).nth(1).fill("");
      await page.getByRole("button", { name: "Remove metadata field 1" }).click();
      await call("Echo").click();
      await eventually(() => badge().textContent()).toBe("OK");
    });

    test("what a browser cannot send is said, with the line that can, and the line is right", async () => {
      await open("try", "Chat");
      await page.getByText("Browsers cannot send a stream of requests over gRPC-web").waitFor();
      await field("text").fill("it's 'me'");
      const line = (await page.locator(".try-line code").textContent()) ?? "";
      expect(await shell(line)).toMatchObject({ text: "IT'S 'ME'" });
      expect(await call("Chat").count()).toBe(0);
    });

    /** Runs a line as a user would paste it; `rouse` is this checkout's. */
    async function shell(line: string): Promise<unknown> {
      const rouse = `rouse() { ${process.execPath} ${join(root, "cli/bin/rouse.mjs")} "$@" --data ${mesh.data}; }`;
      const { stdout } = await run("bash", ["-c", `${rouse}\n${line}`], {
        env: { ...process.env, ROUSE_DATA: mesh.data },
      });
      return JSON.parse(stdout);
    }

    test("the samples do what they say: rouse call, curl, TypeScript", async () => {
      await open("code", "Echo");
      const sample = async (title: string) => {
        await page.getByText(title, { exact: true }).click();
        return (await page.locator(".code-text code").textContent()) ?? "";
      };
      for (const title of ["rouse call", "curl"])
        expect(await shell(await sample(title)), title).toMatchObject({ text: "text", version: "1.0.0" });
      await writeFile(join(probe.dir, "sample.ts"), await sample("TypeScript"));
      const { stdout } = await run(process.execPath, [join(probe.dir, "sample.ts")], { cwd: probe.dir });
      expect(stdout).toMatch(/text: 'text'/);
      for (const title of ["Browser", "Python", "Go", "grpcurl"])
        expect(await sample(title), title).toContain("1.0.0");
      await open("code", "Upload");
      await page.getByText("curl", { exact: true }).click();
      await page.getByText("JSON over HTTP takes one request for each call").waitFor();
    });

    test("usage is charted, with values by the arrow keys and as a table", async () => {
      await open("usage", "Echo");
      const chart = page.locator(".chart", { hasText: "Calls" }).first();
      await eventually(async () => {
        await page.getByRole("button", { name: "Look again" }).click();
        return page
          .locator(".breakdown")
          .first()
          .textContent({ timeout: 5_000 })
          .catch(() => "");
      }).toContain("Echo");
      await chart.locator("svg").focus();
      await page.keyboard.press("ArrowLeft");
      await eventually(() => chart.locator(".chart-value").textContent()).toMatch(/ · OK \d+ · errors \d+$/);
      await chart.getByText("Calls as a table").click();
      await chart.locator("table td.number").first().waitFor();
      await page.evaluate(axe);
      expect(await page.evaluate<string[]>(serious)).toEqual([]);
    });

    test("logs come as they are written, are filtered, and never run as code", async () => {
      await open("logs", "Echo");
      const lines = page.locator(".logs-text");
      await eventually(async () => (await lines.allTextContents()).join("\n")).toContain(
        "red alert <img src=x onerror=stolen=1>\nsecond line",
      );
      expect(await page.locator(".logs-text .ansi-red").first().textContent()).toBe("red");
      expect(await page.getByTestId("log-status").textContent()).toMatch(/^Following · \d+ lines$/);
      await page.getByLabel("Contains").fill("SECOND");
      await eventually(async () => new Set(await lines.allTextContents())).toEqual(new Set(["second line"]));
      await page.locator(".logs-instance").first().click();
      await eventually(() => page.getByLabel("Instance").inputValue()).toContain("probe");
      await page.getByLabel("Contains").fill("zzz nothing has this");
      await eventually(() => lines.count()).toBe(0);
      await page.evaluate(axe);
      expect(await page.evaluate<string[]>(serious)).toEqual([]);
      expect(problems).toEqual([]);
    });
  },
);

/** Findings of axe that keep people out. */
const serious =
  "axe.run().then(({violations}) => violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => v.id + ': ' + v.nodes[0].html))";
