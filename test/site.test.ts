import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RegisterVersionRequest, RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe } from "./support/probe.ts";
import { root, rouseOk } from "./support/rouse.ts";

const genome = "genome.v1.GenomeService";
const page404 = "/nowhere";
const pages = [
  "/",
  "/?q=genome&state=cold",
  `/services/${genome}`,
  `/services/${genome}/contract`,
  `/services/${genome}/try`,
  `/services/${genome}/code`,
  `/services/${genome}/usage`,
  `/services/${genome}/traces`,
  `/services/${genome}/logs`,
  `/services/${genome}/versions`,
  `/services/${genome}/history`,
  "/services/genome.v1.Nothing",
  "/reviews?all=1",
  "/hosts",
  "/builds",
  "/builds/nothing",
  "/providers",
  page404,
];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe.skipIf(chromiumPath === undefined)("the site in Chromium, on a whole mesh", () => {
  let mesh: TestMesh;
  let chromium: TestBrowser;
  let context: BrowserContext;
  let page: Page;
  const problems: string[] = [];

  const rouse = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);
  const open = async (path: string, on = page) => {
    await on.goto(`http://${mesh.edge}${path}`);
    await settled(on);
  };
  const main = () => page.locator("main");
  const badge = () => page.locator(".title .badge").first();
  const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 60_000 });

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process" });
    for (const name of ["genome-1", "genome", "composition"])
      await rouse("register", "--dir", join(root, "examples", name));
    await rouse("tag", genome, "release", "2.0.0");
    chromium = await startChromium();
    context = await chromium.browser.newContext({ viewport: { width: 1280, height: 800 } });
    page = await context.newPage();
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) problems.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(`http://${mesh.edge}/`)) problems.push(`asked for ${request.url()}`);
    });
  });
  afterAll(async () => {
    await chromium?.close();
    await mesh?.close();
  });

  test("search as you type, typos included; query and filters are in the URL", async () => {
    await open("/");
    await page.locator(".hit").nth(1).waitFor();
    await page.getByRole("searchbox").fill("squence of a genom");
    await eventually(() => page.locator(".hit > a").first().textContent()).toBe(genome);
    await page.waitForURL(/\?q=squence\+of\+a\+genom$/);
    await page.getByRole("button", { name: "Filters" }).click();
    await page.getByLabel("State").selectOption("warm");
    await main().getByText("Nothing matches.").waitFor();
    await page.reload();
    expect(await page.getByRole("searchbox").inputValue()).toBe("squence of a genom");
    expect(await page.getByLabel("State").inputValue()).toBe("warm");
    await page.getByLabel("State").selectOption("");
    await page.locator(".hit").first().waitFor();
    await page.getByRole("searchbox").fill("zzzzqqqq");
    await page.getByRole("link", { name: "Show all services" }).click();
    await page.locator(".hit").nth(1).waitFor();
  });

  test("by keys alone: skip link, search, result, parts of the service, version", async () => {
    await open("/");
    await page.keyboard.press("Tab");
    expect(await focused(page)).toBe("Skip to the content");
    await page.locator(".hit").nth(1).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("genome");
    await page.waitForURL(/q=genome/);
    await eventually(() => page.locator(".hit > a").first().textContent()).toBe(genome);
    await page.keyboard.press("ArrowDown");
    expect(await focused(page)).toBe(genome);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: genome }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await page.goBack();
    await page.getByRole("searchbox").fill("compostion");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "CompositionService" }).waitFor();
    await tabTo(page, "Contract");
    await page.keyboard.press("Enter");
    await page.getByRole("navigation", { name: "Methods and messages" }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Live state" }).waitFor();
  });

  test("a version's state turns from cold to warm before the reader's eyes", async () => {
    await open(`/services/${genome}`);
    await eventually(() => badge().textContent()).toBe("cold");
    await main().getByText("None runs. The next call starts one.").waitFor();
    await page.evaluate(() => {
      document.title = "not loaded again";
    });
    await rouse("call", `${genome}/ListReferences`, "{}");
    await eventually(() => badge().textContent()).toBe("warm");
    const row = page.getByRole("region", { name: "Instances" }).getByRole("row").nth(1);
    expect(await row.textContent()).toContain("genome-service-2-0-0");
    await eventually(() => page.getByRole("region", { name: "Latest wakes" }).textContent()).toMatch(
      /ready [\d.]+ m?s/,
    );
    expect(await page.title()).toBe("not loaded again");
    await rouse("tag", genome, "beta", "1.0.0");
    await eventually(() => page.getByLabel("Version").textContent()).toContain("1.0.0 · beta");
    // The catalog has it from its own stream.
    await page.getByRole("link", { name: "Catalog" }).click();
    await eventually(() =>
      page.locator(".hit", { hasText: genome }).locator(".badge").first().textContent(),
    ).toBe("warm");
    await rouse("stop", genome, "2.0.0", "--reason", "the archive moves");
    await eventually(() =>
      page.locator(".hit", { hasText: genome }).locator(".badge").first().textContent(),
    ).toBe("stopped");
    await page.locator(".hit > a", { hasText: genome }).click();
    await main().getByText("the archive moves").first().waitFor();
    await rouse("start", genome, "2.0.0");
    await eventually(() => badge().textContent()).toBe("warm");
  });

  test("a lost connection is told, and the page catches up by itself", async () => {
    await open(`/services/${genome}`);
    await eventually(() => badge().textContent()).toBe("warm");
    const lost = page.getByText("The connection is lost");
    await Promise.all([lost.waitFor(), mesh.restart("registry", "SIGKILL")]);
    await lost.waitFor({ state: "detached", timeout: 60_000 });
    await rouse("stop", genome, "2.0.0", "--reason", "it is late");
    await eventually(() => badge().textContent()).toBe("stopped");
    await rouse("start", genome, "2.0.0");
    await eventually(() => badge().textContent()).toBe("warm");
  });

  test("a hostile description is text, and its links lead nowhere", async () => {
    const hostile = [
      "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">",
      "[click](javascript:document.title='owned') [data](data:text/html,<script>1</script>)",
      "![pixel](https://tracker.example/pixel.png) [fine](https://example.org/a?b=1&c=2)",
      "<iframe srcdoc='<script>top.document.title=`owned`</script>'></iframe>",
      "**bold** `<b>`",
    ].join("\n\n");
    await rouse(
      "describe",
      genome,
      "1.0.0",
      "--set",
      `description=${hostile}`,
      "--set",
      `summary=<b onclick=x>new</b>`,
    );
    // Deeper than a parser's stack.
    await rouse("describe", genome, "1.0.0", "--set", `purpose=${">".repeat(19_000)} deep`);
    await open(`/services/${genome}?version=1.0.0`);
    const about = page.getByRole("region", { name: "Description" });
    await about.getByText("<script>document.title = 'owned'</script>").waitFor();
    expect(await about.locator("script, img, iframe, [onerror], [onclick]").count()).toBe(0);
    expect(await page.locator(".lead").textContent()).toBe("<b onclick=x>new</b>");
    await about.getByText("> deep").waitFor();
    expect(await about.locator("strong").textContent()).toBe("bold");
    expect(
      await about.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href"))),
    ).toEqual(["https://tracker.example/pixel.png", "https://example.org/a?b=1&c=2"]);
    await about.getByText("click").click();
    expect(await page.title()).toBe(`${genome} · Rouse`);
  });

  test("two versions compared: changes, and both texts side by side", async () => {
    await open(`/services/${genome}/versions?from=2.0.0&to=1.0.0`);
    const removed = page.locator(".changes li", { hasText: "method LookUp" });
    expect(await removed.first().textContent()).toMatch(/^removed .*breaks callers$/);
    expect(await page.locator(".diff .old", { hasText: "LookUp" }).count()).toBeGreaterThan(0);
    await page.getByLabel("From").selectOption("1.0.0");
    await main().getByText("The contracts say the same.").waitFor();
  });

  test("a review is decided with a message and the key, which only this tab keeps", async () => {
    const key = (await readFile(join(mesh.data, "registry", "admin.key"), "utf8")).trim();
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${key}`);
    await registerReviewed(mesh, metadata);
    const request = {
      service: genome,
      version: "3.0.0",
      tag: "release",
      message: "back to what was cited",
      overrideReason: "no caller is left",
    };
    const { done } = await withClient(ReleasesClient, mesh.registry, (client) =>
      unary(client, "promote", request, { metadata }),
    );
    expect(done).toBe(false);
    await open("/reviews");
    const review = page.getByRole("region", { name: `${genome} 3.0.0` });
    await review.getByText("back to what was cited").waitFor();
    await review.getByRole("button", { name: /^Show all \d+ findings$/ }).click();
    await review.locator(".findings li", { hasText: "LookUp" }).first().waitFor();
    await review.getByLabel("Message").fill("Nobody needs 2.0.0.");
    await review.getByRole("button", { name: "Deny" }).click();
    await review.getByRole("alert").waitFor();
    await review.getByLabel(/Your key/).fill(key);
    await review.getByRole("button", { name: "Deny" }).click();
    await main().getByText("No review is open.").waitFor();
    await page.getByLabel("Show decided ones").check();
    await main().getByText("Nobody needs 2.0.0.").waitFor();
    expect(await page.evaluate(() => [JSON.stringify(localStorage), document.cookie].join())).not.toContain(
      "rouse_",
    );
    expect(await page.evaluate(() => sessionStorage.length)).toBe(1);
    await page.evaluate(() => sessionStorage.clear());
  });

  test("what a registry lacks is a note, and a part that cannot be loaded a sentence", async () => {
    const old = await context.newPage();
    await old.route("**/rouse.registry.v1.Releases/*", (route) =>
      route.fulfill({
        headers: {
          "content-type": "application/grpc-web+proto",
          "grpc-status": "12",
          "grpc-message": "The server does not implement it",
        },
      }),
    );
    await open("/reviews", old);
    await old.getByText(/^This registry does not offer the reviews yet\./).waitFor();
    expect(await old.getByRole("alert").count()).toBe(0);
    await old.route("**/assets/HostsPage-*.js", (route) => route.abort());
    await old.getByRole("link", { name: "Hosts" }).click();
    await old.getByText("A part of the page could not be loaded: reload the page.").waitFor();
    await old.close();
  });

  test("every page on a phone of 360 pixels: nothing scrolls sideways", async () => {
    const phone = await context.browser()?.newPage({ viewport: { width: 360, height: 740 } });
    if (phone === undefined) throw new Error("The browser is gone.");
    for (const path of pages) {
      await open(path, phone);
      const over = await phone.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect({ path, over }).toEqual({ path, over: 0 });
    }
    await phone.close();
  });

  test.each(["light", "dark"] as const)("axe finds nothing serious in the %s theme", async (colorScheme) => {
    const themed = await context.browser()?.newPage({ colorScheme, bypassCSP: true });
    if (themed === undefined) throw new Error("The browser is gone.");
    await themed.addInitScript(axe);
    const found: string[] = [];
    // The themes differ in nothing but their colours.
    const rules = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
    for (const path of pages) {
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

  test("the theme that was chosen stays", async () => {
    await open("/");
    const scheme = () => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    await page.getByLabel("Theme").selectOption("dark");
    expect(await scheme()).toBe("dark");
    await page.reload();
    expect(await scheme()).toBe("dark");
    await page.getByLabel("Theme").selectOption("system");
    expect(await scheme()).toBe("light dark");
  });

  test("the registry's own port shows the way to the edge", async () => {
    const direct = await context.newPage();
    await direct.goto(`http://${mesh.registryHttp}/`);
    await direct.getByText("Open the page at the mesh's edge").first().waitFor();
    await direct.close();
  });

  test("a version that crashes again and again says so, with its last words", async () => {
    const probe = await makeProbe();
    try {
      await probe.register(mesh.data, "--env", "PROBE_FAIL=later");
    } finally {
      await probe.remove();
    }
    await open("/services/probe.v1.ProbeService");
    using client = createProbeServiceClient({ target: mesh.edge, retries: 0 });
    await client.echo({ text: "x" }, { deadlineMs: 60_000 }).catch(() => undefined);
    await eventually(() => badge().textContent()).toBe("crash-looping");
    const note = main().getByText("Version 1.0.0 is crash-looping: ");
    await eventually(() => note.textContent()).toMatch(
      /3 times in a row .* code 4\b.*probe: the disk is full/s,
    );
  });

  test("hosts, instances, what is wrong with one and what is decided are shown as they happen", async () => {
    const probe = await makeProbe({ version: "2.0.0" });
    try {
      await probe.register(mesh.data);
    } finally {
      await probe.remove();
    }
    await open("/hosts");
    await page.evaluate(() => {
      document.title = "not loaded again";
    });
    const host = page.locator(".host-list > li");
    const name = (await host.getByRole("heading").textContent()) ?? "";
    const decisions = page.getByRole("region", { name: "Decisions" });
    const decided = (kind: string, what: string) =>
      decisions
        .locator("li")
        .filter({ has: page.getByText(kind, { exact: true }) })
        .filter({ hasText: what })
        .first()
        .waitFor({ timeout: 60_000 });
    using client = createProbeServiceClient({ target: mesh.edge, version: "2.0.0", retries: 0 });
    const { instance } = await client.echo({ text: "fall ill" }, { deadlineMs: 60_000 });
    const row = host.getByRole("listitem").filter({ hasText: instance });
    await row.waitFor({ timeout: 60_000 });
    await decided("start", "probe.v1.ProbeService 2.0.0");
    let isCalling = true;
    const calling = (async () => {
      while (isCalling) {
        await client.echo({ text: "x" }, { deadlineMs: 10_000 }).catch(() => undefined);
        await sleep(10);
      }
    })();
    try {
      await row.locator(".badge", { hasText: "quarantined" }).waitFor({ timeout: 60_000 });
      await row.getByText(/calls ended with a gateway or server error/).waitFor();
      await decided("quarantined", instance);
    } finally {
      isCalling = false;
      await calling;
    }
    await rouse("cordon", name, "--reason", "its fan is loud");
    await host.locator(".badge", { hasText: "cordoned" }).waitFor({ timeout: 60_000 });
    await host.getByText("its fan is loud").waitFor();
    if (process.env.SHOTS)
      await page.screenshot({ path: `${process.env.SHOTS}/hosts-live.png`, fullPage: true });
    await rouse("uncordon", name);
    await host.locator(".badge", { hasText: "active" }).waitFor({ timeout: 60_000 });
    expect(await page.title()).toBe("not loaded again");
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

/** A version whose contract wants a review before it is released: 1.0.0 under another number. */
async function registerReviewed(mesh: TestMesh, metadata: Metadata): Promise<void> {
  const file = join(root, "examples", "genome-1", "gen", `${genome}.manifest.json`);
  const manifest = JSON.parse(await readFile(file, "utf8"));
  await withClient(RegistryClient, mesh.registry, async (client) => {
    const { artifact } = await unary(client, "getManifest", { service: genome, spec: "1.0.0" });
    const request = RegisterVersionRequest.fromPartial({
      manifest: Buffer.from(JSON.stringify({ ...manifest, version: "3.0.0", approval: "release" })),
      ...(artifact === undefined ? {} : { artifact }),
    });
    await unary(client, "registerVersion", request, { metadata });
  });
}

/** Resolves when the page has drawn what it asked for. */
async function settled(page: Page): Promise<void> {
  await page.locator("main h1").first().waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
}

function focused(page: Page): Promise<string | null | undefined> {
  return page.evaluate(() => document.activeElement?.textContent?.trim());
}

async function tabTo(page: Page, text: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await focused(page)) === text) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to "${text}".`);
}
