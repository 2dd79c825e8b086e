import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningHttp, startHttp } from "../http.ts";
import { siteRoute } from "./route.ts";

let folder: string;
let http: RunningHttp;
const script = "console.log(1);\n".repeat(100);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-site-"));
  http = await startHttp("127.0.0.1:0", [siteRoute(folder)], pino({ level: "silent" }));
});
afterAll(async () => {
  await http?.close();
  await rm(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`http://${http.address}${path}`, { method, headers: { "accept-encoding": "identity", ...headers } });

test("without a built site: a sentence with the remedy, and the site as soon as it is built", async () => {
  const response = await get("/");
  expect(response.status).toBe(503);
  expect(await response.text()).toMatch(/^The site is not built: run "npm start"/);
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "assets", "index-1a.js"), script);
  await writeFile(join(folder, "assets", "index-1a.js.gz"), gzipSync(script));
  await writeFile(join(folder, "index.html"), "<!doctype html><title>Rouse</title>");
  expect(await (await get("/")).text()).toContain("<title>Rouse</title>");
});

test("hashed files are kept for good, compressed when the client takes it", async () => {
  const plain = await get("/assets/index-1a.js");
  expect(await plain.text()).toBe(script);
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(plain.headers.get("content-encoding")).toBeNull();
  const packed = await get("/assets/index-1a.js", { "accept-encoding": "br;q=0, gzip" });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(packed.headers.get("content-length")).toBe(String(gzipSync(script).length));
  expect(await packed.text()).toBe(script);
  expect(packed.headers.get("etag")).not.toBe(plain.headers.get("etag"));
});

test("the document stands for every path of the site's router, with an ETag and a strict policy", async () => {
  const page = await get("/services/genome.v1.GenomeService/try?method=GetFeatures");
  expect(page.status).toBe(200);
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("cache-control")).toBe("no-cache");
  expect(page.headers.get("x-content-type-options")).toBe("nosniff");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(policy).not.toMatch(/unsafe|\*|http/);
  const again = await get("/hosts", { "if-none-match": page.headers.get("etag") ?? "" });
  expect(again.status).toBe(304);
  expect((await get("/nowhere")).status).toBe(404);
  const head = await get("/", {}, "HEAD");
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("a file of another build, and paths that lead out of the folder", async () => {
  const old = await get("/assets/index-0f.js");
  expect([old.status, await old.text()]).toEqual([
    404,
    "/assets/index-0f.js is of another build of the site: load the page again.\n",
  ]);
  await writeFile(join(folder, "..", "rouse-site-secret.txt"), "secret");
  for (const path of ["/%2e%2e/rouse-site-secret.txt", "/..%2frouse-site-secret.txt", "/assets/..%5c.."])
    expect(await (await get(path)).text()).not.toContain("secret");
  await rm(join(folder, "..", "rouse-site-secret.txt"));
});

test("calls are sent to the edge", async () => {
  const call = await get(
    "/rouse.catalog.v1.Catalog/Search",
    { "content-type": "application/grpc-web+proto" },
    "POST",
  );
  expect(call.headers.get("grpc-status")).toBe("9");
  expect(decodeURIComponent(call.headers.get("grpc-message") ?? "")).toMatch(
    /^This is the registry's own HTTP port/,
  );
  const other = await get("/", {}, "POST");
  expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  expect(await other.text()).toContain("Open the page at the mesh's edge");
});
