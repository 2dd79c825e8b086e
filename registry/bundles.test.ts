import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GetBundleResponse } from "#proto/rouse/registry/v1/registry.ts";
import { callError } from "../sdk/grpc.ts";
import { BundleStore, MAX_CHUNK_BYTES } from "./bundles.ts";
import { publishVersion, putBundle } from "./publish.ts";
import { failure, type Rig, startRig } from "./testing/rig.ts";
import { sampleManifest, sampleRequest } from "./testing/sample.ts";

let rig: Rig;
let folder: string;
let file: string;
const content = randomBytes(9_000_001);
const digest = createHash("sha256").update(content).digest("hex");
beforeAll(async () => {
  rig = await startRig();
  folder = join(rig.dataDir, "bundles");
  file = join(rig.dataDir, "sample.tar");
  await writeFile(file, content);
});
afterAll(() => rig?.close());

async function download(wanted: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const { chunk } of rig.client.getBundle({
      digest: wanted,
    }) as AsyncIterable<GetBundleResponse>) {
      expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK_BYTES);
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw callError(thrown);
  }
  return Buffer.concat(chunks);
}

test("goes up only when the registry lacks it, and comes down whole", async () => {
  const request = sampleRequest(sampleManifest(), { artifact: { kind: { $case: "bundle", value: digest } } });
  let uploads = 0;
  const upload = () => uploads++;
  expect(await publishVersion(rig.client, request, file, upload)).toMatchObject({ created: true });
  expect(await publishVersion(rig.client, request, file, upload)).toMatchObject({ created: false });
  expect(uploads).toBe(1);
  expect((await download(digest)).equals(content)).toBe(true);
  expect(await putBundle(rig.client, file)).toEqual({ digest, size: content.length });
  expect(await readdir(folder)).toEqual([`${digest}.tar`]);
});

test("an unknown digest, and what is none", async () => {
  expect(await failure(download("0".repeat(64)))).toMatchObject({
    status: "NOT_FOUND",
    reason: "BUNDLE_UNKNOWN",
  });
  const error = await failure(download("../x"));
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "BUNDLE_DIGEST_INVALID" });
  expect(error.message).toBe('"../x" is no SHA-256 digest. Give 64 hex digits, lower case.');
});

test("a damaged file is told, not passed on as good", async () => {
  const other = "a".repeat(64);
  await writeFile(join(folder, `${other}.tar`), "not that");
  const error = await failure(download(other));
  expect(error).toMatchObject({ status: "DATA_LOSS", reason: "BUNDLE_CORRUPT" });
  await rm(join(folder, `${other}.tar`));
});

test("nothing stays of an empty upload, a chunk that is too large, or an upload that is given up", async () => {
  const refused = (chunk?: Buffer) =>
    new Promise((resolve) => {
      const call = rig.client.putBundle((error) => resolve(callError(error)));
      if (chunk !== undefined) call.write({ chunk });
      call.end();
    });
  expect(await refused()).toMatchObject({ status: "INVALID_ARGUMENT", reason: "BUNDLE_EMPTY" });
  expect(await refused(Buffer.alloc(MAX_CHUNK_BYTES + 1))).toMatchObject({
    reason: "BUNDLE_CHUNK_TOO_LARGE",
  });

  const call = rig.client.putBundle(() => undefined);
  call.on("error", () => undefined);
  call.write({ chunk: Buffer.alloc(1000) });
  await expect.poll(() => readdir(folder), { interval: 5, timeout: 30_000 }).toHaveLength(2);
  call.cancel();
  await expect.poll(() => readdir(folder), { interval: 5, timeout: 30_000 }).toEqual([`${digest}.tar`]);
});

test("a reader that goes away leaves the registry well", async () => {
  const call = rig.client.getBundle({ digest });
  call.on("error", () => undefined);
  await once(call, "data");
  call.cancel();
  expect((await download(digest)).length).toBe(content.length);
});

test("a file that cannot be read", async () => {
  const error = await failure(putBundle(rig.client, join(rig.dataDir, "none.tar")));
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "BUNDLE_UNREADABLE" });
});

test("the limit, and what a former process left", async () => {
  const own = await mkdtemp(join(tmpdir(), "rouse-test-bundles-"));
  try {
    await writeFile(join(own, "partial-1"), "half");
    const store = await BundleStore.open(own);
    expect(await readdir(own)).toEqual([]);
    const chunks = async function* () {
      for (let i = 0; i < 20; i++) yield Buffer.alloc(10);
    };
    const error = await failure(store.put(chunks(), { limit: 100 }));
    expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "BUNDLE_TOO_LARGE" });
    expect(await readdir(own)).toEqual([]);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
});

test("an upload leaves room on the disk", async () => {
  const own = join(rig.dataDir, "full");
  const store = await BundleStore.open(own);
  const chunks = async function* () {
    yield Buffer.from("x");
  };
  const error = await failure(store.put(chunks(), { keepFree: Number.MAX_SAFE_INTEGER }));
  expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "BUNDLE_NO_ROOM" });
  expect(error.message).toBe(
    `There is no room for the bundle in ${own}. Free some, or delete bundles there that no version uses.`,
  );
  expect(await readdir(own)).toEqual([]);
});
