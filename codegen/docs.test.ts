import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { escapeHtml, markdownToHtml } from "./plugin/docs/html-text.ts";
import { TestPackage } from "./testing/package.ts";

test.each([
  ["<script>alert(1)</script>", /<script/],
  ["text <img src=x onerror=alert(1)> text", /<img/],
  ["[a](javascript:alert(1))", /javascript|<a/],
  ["[a](JaVaScRiPt:alert(1))", /<a/],
  ["[a](data:text/html,<script>)", /<a/],
  ["[a](//evil.example)", /href="\/\/evil/],
  ["![a](https://evil.example/x.png)", /<img/],
  ["<javascript:alert(1)>", /<a/],
  ['[a](https://example.org/" onclick="alert(1))', /" onclick="/],
  ['```" onload="x\ncode\n```', /" onload="/],
])("%j is harmless in HTML", (markdown, forbidden) => {
  expect(markdownToHtml(markdown)).not.toMatch(forbidden);
});

test("Markdown of comments is kept", () => {
  expect(markdownToHtml("**b** `c` [d](https://example.org/?a=1&b=2)")).toBe(
    '<p><strong>b</strong> <code>c</code> <a href="https://example.org/?a=1&amp;b=2">d</a></p>\n',
  );
  expect(escapeHtml(`<a href="x">&'`)).toBe("&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
});

let made: TestPackage;
beforeAll(async () => {
  made = await TestPackage.copy(fileURLToPath(new URL("testdata/torture", import.meta.url)));
  await made.generate();
});
afterAll(() => made[Symbol.asyncDispose]());

test("pages load nothing, run nothing, and have every anchor that they link to", async () => {
  for (const page of ["odd/v1/odd", "real/v1/real", "other/v2/other", "old/v1/old"]) {
    const html = await made.read(`gen/${page}.html`);
    expect(html, page).not.toMatch(
      /<script|<img|<link|<iframe|<[^>]*\son\w+=|href="javascript:|<[^>]*\ssrc=/i,
    );
    expect(html, page).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html, page).toContain("prefers-color-scheme: dark");
    for (const [, target = ""] of html.matchAll(/href="([^"]*)"/g)) {
      if (target.startsWith("https:")) continue;
      const [path = "", anchor = ""] = target.split("#");
      const file =
        path === "" ? `gen/${page}.html` : new URL(path, `file:///gen/${page}.html`).pathname.slice(1);
      expect(await made.read(file), `${page} → ${target}`).toContain(`id="${anchor}"`);
    }
  }
});

test("the Markdown keeps a comment within its cell and has no HTML of a comment", async () => {
  const markdown = await made.read("gen/odd/v1/odd.md");
  expect(markdown.replace(/<a id="[\w.]+"><\/a>/g, "")).not.toContain("<");
  expect(markdown).toContain("&lt;script>");
  for (const row of markdown.split("\n").filter((line) => line.startsWith("| `")))
    expect(row.replaceAll("\\|", "").split("|").length, row).toBeGreaterThanOrEqual(5);
});
