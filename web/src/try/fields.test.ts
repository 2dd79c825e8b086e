import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, startChromium, type TestBrowser } from "../../../test/support/chromium.ts";
import { tortureSet } from "./testing/torture.ts";

describe.skipIf(chromiumPath === undefined)("the fields of a form in Chromium", () => {
  let server: Server;
  let chromium: TestBrowser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    const contract = await tortureSet();
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, "testing", "form-page.tsx")],
      bundle: true,
      write: false,
      format: "esm",
      jsx: "automatic",
      jsxImportSource: "preact",
      outdir: "out",
    });
    const file = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.contents ?? "";
    const files: Record<string, readonly [type: string, body: string | Uint8Array]> = {
      "/": [
        "text/html",
        '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/page.css"><body><script type="module" src="/page.js"></script>',
      ],
      "/page.js": ["text/javascript", file(".js")],
      "/page.css": ["text/css", file(".css")],
      "/contract": ["application/octet-stream", contract],
    };
    server = createServer((request, response) => {
      const [type, body] = files[request.url ?? ""] ?? ["text/plain", ""];
      response.writeHead(200, { "content-type": type }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    chromium = await startChromium();
    page = await chromium.browser.newPage();
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  afterAll(async () => {
    await chromium?.close();
    server?.close();
  });

  const field = (path: string) => page.locator(`[id=${JSON.stringify(`try-${path}`)}]`);
  const problem = (path: string) => field(`${path}-problem`).textContent();
  const request = async (): Promise<Record<string, unknown>> => {
    await page.getByRole("button", { name: "JSON" }).click();
    const text = await page.getByLabel("Request as JSON").inputValue();
    await page.getByRole("button", { name: "Form" }).click();
    return JSON.parse(text);
  };

  test("an example of everything is right, and each kind of field changes its own value", async () => {
    await page.getByText("Fill in an example").click();
    await field("od").waitFor();
    expect(await page.locator(".try-problem").count()).toBe(0);
    const before = await request();
    await field('counts["key"]').fill("9007199254740993");
    await page.getByRole("button", { name: "Add to counts" }).click();
    await page.getByLabel("counts: key 1").fill("key");
    expect(await problem("counts")).toBe('The key "key" is there twice.');
    await page.getByLabel("counts: key 1").fill("other");
    await field("(pick)").selectOption("doc");
    await field("doc").fill('{"a": [1, ');
    expect(await problem("doc")).toMatch(/^This is no JSON: /);
    await field("doc").fill('{"a": [1, 2]}');
    await page.getByLabel("ob: written as").selectOption("hex");
    await field("ob").fill("0");
    expect(await problem("ob")).toBe("Hex needs two digits for each byte; one is missing.");
    await field("ob").fill("00 ff 10");
    await field("od").fill("1.");
    await field("od").pressSequentially("25");
    await field("duration").fill("3.5s");
    await field("ok").selectOption({ index: 0 });
    await page.getByRole("button", { name: "Unset os" }).click();
    await page.getByRole("button", { name: "Add to packed" }).click();
    const { at: _at, os: _os, ...rest } = before;
    expect(await request()).toEqual({
      ...rest,
      counts: { key: "9007199254740993", other: "0" },
      doc: { a: [1, 2] },
      ob: "AP8Q",
      od: 1.25,
      duration: "3.5s",
      ok: "KIND_UNSPECIFIED",
      packed: ["1", "0"],
    });
    expect(await page.locator(".try-problem").count()).toBe(0);
  });

  test("bytes come from a file, and too large ones are refused", async () => {
    const input = page.getByLabel("ob: from a file");
    await input.setInputFiles({
      name: "a.bin",
      mimeType: "application/octet-stream",
      buffer: Buffer.from([1, 2]),
    });
    await expect.poll(async () => (await request()).ob).toBe("AQI=");
    const buffer = Buffer.alloc(4 * 2 ** 20 + 1);
    await input.setInputFiles({ name: "b.bin", mimeType: "application/octet-stream", buffer });
    expect(await problem("ob")).toBe("b.bin has 4194305 bytes; a request takes at most 4194304.");
  });

  test("a message that holds itself is opened level by level", async () => {
    await page.getByRole("button", { name: "Set next" }).first().click();
    await field("object.next.name").fill("inner");
    await page.getByRole("button", { name: "Set next" }).first().click();
    expect((await request()).object).toMatchObject({ next: { name: "inner", next: {} } });
    expect(problems).toEqual([]);
  });
});
