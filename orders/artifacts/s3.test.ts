import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type S3Server, startS3 } from "../../test/support/s3.ts";
import { collectDue, sweep } from "./retention.ts";
import { type ArtifactsRig, gather, startArtifacts } from "./testing/rig.ts";

const MIB = 2 ** 20;
const KEEP_MS = 1_000;
let s3: S3Server;
let rig: ArtifactsRig;
let location: string;
beforeAll(async () => {
  s3 = await startS3();
  for (const [name, value] of Object.entries(s3.keys)) vi.stubEnv(name, value);
  location = `s3://bucket/some/prefix?endpoint=${encodeURIComponent(s3.endpoint)}&region=eu-test-1`;
  rig = await startArtifacts({ location, keepMs: KEEP_MS });
});
afterAll(async () => {
  await rig?.close();
  await s3?.close();
  vi.unstubAllEnvs();
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const uriOf = (bytes: Uint8Array) => `artifact:sha256-${sha256(bytes)}`;
const put = (bytes: Buffer) => rig.artifacts.write(Readable.from([bytes]), { owner: "tester" });
const objects = async () => (await readdir(join(s3.folder, "some/prefix/sha256"))).sort();
const keyOf = async (bytes: Buffer) =>
  `some/prefix/sha256/${(await objects()).find((other) => other.startsWith(sha256(bytes)))}`;
/** What somebody else does to the bucket. */
async function change(command: PutObjectCommand | DeleteObjectCommand): Promise<void> {
  const client = new S3Client({ endpoint: s3.endpoint, forcePathStyle: true, region: "eu-test-1" });
  try {
    await (command instanceof PutObjectCommand ? client.send(command) : client.send(command));
  } finally {
    client.destroy();
  }
}

// Others may use the machine as well.
vi.setConfig({ testTimeout: 300_000 });

test("retention takes objects away, and sweeps those that nothing names", async () => {
  const bytes = randomBytes(100);
  await put(bytes);
  const held = randomBytes(101);
  await put(held);
  await rig.artifacts.hold(uriOf(held), "order:1");
  rig.clock.ms += 2 * KEEP_MS;
  await collectDue(rig.open, new Date(rig.clock.ms));
  const Key = `some/prefix/sha256/${"ab".repeat(32)}.left-over-1`;
  await change(new PutObjectCommand({ Bucket: "bucket", Key, Body: "left" }));
  expect(await sweep(rig.open)).toBe(1);
  expect((await objects()).map((name) => name.split(".")[0])).toEqual([sha256(held)]);
  await rig.open.contents.tidy(rig.clock.ms);
  await rig.artifacts.release("order:1");
});

test("contents of any size are objects, whole or in parts, and are read in parts", async () => {
  for (const size of [0, 1, 16 * MIB, 33 * MIB + 7]) {
    const bytes = randomBytes(size);
    const { uri } = await put(bytes);
    expect(uri).toBe(uriOf(bytes));
    expect(sha256(await gather(rig.artifacts.read(uri)))).toBe(sha256(bytes));
    if (size < 9) continue;
    const part = await gather(rig.artifacts.read(uri, { offset: size - 9, length: 5 }));
    expect(part).toEqual(bytes.subarray(size - 9, size - 4));
  }
  // Nothing is left where uploads are gathered.
  expect(await rig.open.spool.ids()).toEqual([]);
});

test("the same content is one object, and putting it again mends what is damaged or lost", async () => {
  const bytes = randomBytes(3 * MIB);
  const { uri } = await put(bytes);
  const before = await objects();
  await put(bytes);
  expect(await objects()).toEqual(before);
  const rotten = Buffer.from(bytes);
  rotten.write("bit rot", 2 * MIB);
  await change(new PutObjectCommand({ Bucket: "bucket", Key: await keyOf(bytes), Body: rotten }));
  await expect(gather(rig.artifacts.read(uri))).rejects.toMatchObject({
    status: "DATA_LOSS",
    reason: "ARTIFACT_CORRUPT",
    message: expect.stringContaining(
      "(s3://bucket/some/prefix/): bytes 2097152 to 3145727 are not what was stored",
    ),
  });
  await put(bytes);
  expect(await rig.artifacts.verify(uri)).toBe(bytes.length);
  await change(new DeleteObjectCommand({ Bucket: "bucket", Key: await keyOf(bytes) }));
  await expect(gather(rig.artifacts.read(uri))).rejects.toThrow("bytes 0 to 1048575 are missing");
  await put(bytes);
  expect(await rig.artifacts.verify(uri)).toBe(bytes.length);
});

test("while the store is away it is told, and an upload that waits for it is finished later", async () => {
  const bytes = randomBytes(17 * MIB);
  const { uploads } = rig.artifacts;
  const more = { id: "", name: "", mediaType: "", metadata: {}, keepMs: 0, keepForever: true, holder: "" };
  const { id } = await uploads.begin({ ...more, bytes: 0, owner: "tester" });
  await uploads.write(id, 0, Readable.from([bytes]));
  await s3.kill();
  await expect(uploads.finish(id, sha256(bytes))).rejects.toMatchObject({
    status: "UNAVAILABLE",
    reason: "ARTIFACT_STORE_UNREACHABLE",
    message: expect.stringContaining(
      "The store of artifacts, s3://bucket/some/prefix/, does not do what it should",
    ),
  });
  await s3.start();
  expect((await uploads.finish(id, sha256(bytes))).digest).toBe(sha256(bytes));
  expect(await rig.artifacts.verify(uriOf(bytes))).toBe(bytes.length);
});

test("a bucket that is not there, and one of another database, are told", async () => {
  const other = location.replace("bucket", "nowhere");
  await expect(rig.again({ location: other })).rejects.toMatchObject({
    reason: "ARTIFACT_STORE_UNREACHABLE",
    message: expect.stringContaining("NoSuchBucket"),
  });
  await change(new PutObjectCommand({ Bucket: "bucket", Key: "rouse-artifacts", Body: "somebody else\n" }));
  await expect(rig.again({ location: location.replace("/some/prefix", "") })).rejects.toMatchObject({
    reason: "ARTIFACT_STORE_FOREIGN",
  });
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
  await expect(rig.again({ location })).rejects.toMatchObject({
    reason: "ARTIFACT_STORE_UNREACHABLE",
    message: expect.stringContaining("Its keys come from AWS_ACCESS_KEY_ID"),
  });
});
