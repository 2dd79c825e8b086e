import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RouseError } from "../../sdk/errors.ts";
import { BundleSources } from "./bundle-sources.ts";
import { Bundles } from "./bundles.ts";
import { Holdings } from "./holdings.ts";

const digests = ["a", "b", "c"].map((digit) => digit.repeat(64));
const [a = "", b = "", c = ""] = digests;
/** Around the folder, so that a mistake removes nothing of others. */
let root: string;
let folder: string;
let bundles: Bundles;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "rouse-test-removal-"));
  folder = join(root, "bundles");
  await mkdir(folder);
  // Nobody has anything.
  const sources = new BundleSources("127.0.0.1:1", async () => ({ registries: [], agents: [] }));
  bundles = new Bundles(folder, sources, new Holdings());
  for (const digest of digests) {
    await mkdir(join(folder, digest));
    await writeFile(join(folder, digest, "main.js"), "");
    await writeFile(join(folder, `${digest}.tar`), "");
  }
});
afterEach(() => rm(root, { recursive: true, force: true }));

const there = () =>
  digests.filter((digest) => existsSync(join(folder, digest)) && existsSync(join(folder, `${digest}.tar`)));

test("what comes into use while others are removed stays", async () => {
  const asked: string[] = [];
  await bundles.removeUnused(digests, (digest) => {
    asked.push(digest);
    return digest === b && !existsSync(join(folder, a));
  });
  expect(asked).toEqual(digests);
  expect(there()).toEqual([b]);
});

test("who wants a bundle while it is removed has no folder that vanishes", async () => {
  const removed = bundles.removeUnused([c], () => false);
  const wanted = bundles.folder(c).catch(({ reason }: RouseError) => reason);
  await removed;
  expect(await wanted).toBe("REGISTRY_UNREACHABLE");
  expect(there()).toEqual([a, b]);
});

test("what is no digest names nothing to remove", async () => {
  const names = ["within", "../beside"];
  for (const name of names) await writeFile(join(folder, name), "");
  await bundles.removeUnused(names, () => false);
  for (const name of names) expect(existsSync(join(folder, name))).toBe(true);
  expect(there()).toEqual(digests);
});
