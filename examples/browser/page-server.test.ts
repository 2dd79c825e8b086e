import { RouseError } from "rouse/errors";
import { expect, test } from "vitest";
import { servePage } from "./page-server.ts";

const edge = "http://127.0.0.1:8080";
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it should have failed"),
    (error: unknown) => RouseError.from(error),
  );

test("serves the page, its bundle and where the edge is, and nothing else", async () => {
  const page = await servePage({ edge, port: 0 });
  try {
    expect(await (await fetch(page.url)).text()).toContain('<script type="module" src="app.js">');
    const bundle = await fetch(`${page.url}app.js`);
    expect(bundle.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(await bundle.text()).toContain("genome.v1.GenomeService");
    expect(await (await fetch(`${page.url}config.json`)).json()).toEqual({ edge });
    expect((await fetch(`${page.url}../package.json`)).status).toBe(404);
  } finally {
    await page.close();
  }
});

test("says what is wrong with the edge and with the port", async () => {
  const wrong = await failure(servePage({ edge: "localhost:8080", port: 0 }));
  expect(wrong.message).toBe('--edge is "localhost:8080"; write an address such as http://127.0.0.1:8080.');
  expect((await failure(servePage({ edge, port: 70_000 }))).reason).toBe("PORT_INVALID");
  const page = await servePage({ edge, port: 0 });
  try {
    const port = Number(new URL(page.url).port);
    const used = await failure(servePage({ edge, port }));
    expect(used.reason).toBe("PORT_IN_USE");
    expect(used.message).toMatch(
      /^Cannot listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE.*\); choose another --port\.$/,
    );
  } finally {
    await page.close();
  }
});
