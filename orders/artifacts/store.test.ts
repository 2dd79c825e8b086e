import { createHash, randomBytes } from "node:crypto";
import { open, readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BLOCK_BYTES } from "./blocks.ts";
import { collectDue, expireUploads, sweep, UPLOAD_MS } from "./retention.ts";
import { type ArtifactsRig, gather, startArtifacts } from "./testing/rig.ts";

let rig: ArtifactsRig;
beforeAll(async () => {
  rig = await startArtifacts({ keepMs: 1_000 });
});
afterAll(() => rig?.close());

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const uriOf = (bytes: Buffer) => `artifact:sha256-${sha256(bytes)}`;
const put = (
  bytes: Buffer,
  more: { name?: string; holder?: string; metadata?: Record<string, string> } = {},
) => rig.artifacts.write(Readable.from([bytes]), { owner: "tester", ...more });
const newUpload = (id = "") => ({
  id,
  name: "",
  mediaType: "",
  metadata: {},
  keepMs: 0,
  keepForever: true,
  holder: "",
  bytes: 0,
  owner: "tester",
});
const fileOf = async (bytes: Buffer) => {
  const digest = sha256(bytes);
  const folder = join(rig.folder, "artifacts/sha256", digest.slice(0, 2));
  const name = (await readdir(folder)).find((other) => other.startsWith(digest));
  return join(folder, name ?? "");
};
/** Files of contents and of uploads. */
const files = async () =>
  (await readdir(join(rig.folder, "artifacts"), { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isFile() && entry.name !== "rouse-artifacts",
  );

describe("content", () => {
  test("is what was put, whole or in part, whatever its size", async () => {
    for (const size of [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 17]) {
      const bytes = randomBytes(size);
      const { uri } = await put(bytes, { name: "a b.bin" });
      expect(uri).toBe(`${uriOf(bytes)}?name=a%20b.bin`);
      expect(sha256(await gather(rig.artifacts.read(uri)))).toBe(sha256(bytes));
      for (const offset of [0, size >> 1, size])
        expect(sha256(await gather(rig.artifacts.read(uri, { offset })))).toBe(
          sha256(bytes.subarray(offset)),
        );
      if (size > 4)
        expect(sha256(await gather(rig.artifacts.read(uri, { offset: 2, length: size - 4 })))).toBe(
          sha256(bytes.subarray(2, size - 2)),
        );
      expect(await rig.artifacts.verify(uri)).toBe(size);
    }
  });

  test("that is put again is stored once", async () => {
    const bytes = randomBytes(1_000);
    await put(bytes);
    const before = await files();
    await Promise.all([put(bytes), put(bytes), put(bytes)]);
    expect(await files()).toHaveLength(before.length);
    expect(sha256(await gather(rig.artifacts.read(uriOf(bytes))))).toBe(sha256(bytes));
  });

  test("that is put for the first time by several at once is stored once", async () => {
    const bytes = randomBytes(3_000);
    const before = await files();
    await Promise.all(Array.from({ length: 8 }, () => put(bytes)));
    expect(await files()).toHaveLength(before.length + 1);
    expect(sha256(await gather(rig.artifacts.read(uriOf(bytes))))).toBe(sha256(bytes));
  });

  test("beyond its end is refused", async () => {
    const { uri } = await put(Buffer.from("short"));
    await expect(gather(rig.artifacts.read(uri, { offset: 6 }))).rejects.toMatchObject({
      status: "OUT_OF_RANGE",
      reason: "ARTIFACT_RANGE",
      message: expect.stringContaining("has 5 bytes; there are no bytes from 6 on"),
    });
    await expect(gather(rig.artifacts.read(uri, { offset: 1, length: 5 }))).rejects.toThrow(
      "no 5 bytes from 1 on",
    );
  });

  test("that never was is not there", async () => {
    await expect(rig.artifacts.get(uriOf(randomBytes(9)))).rejects.toMatchObject({
      status: "NOT_FOUND",
      reason: "ARTIFACT_UNKNOWN",
      message: expect.stringContaining("and never was. Check the URI"),
    });
  });

  test("with more bytes than may come leaves nothing", async () => {
    const before = await files();
    const writing = rig.artifacts.write(Readable.from([randomBytes(100), randomBytes(100)]), {
      owner: "tester",
      mostBytes: 150,
    });
    await expect(writing).rejects.toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "ARTIFACT_TOO_LARGE",
      message: expect.stringContaining("has more than 150 bytes"),
    });
    expect(await files()).toHaveLength(before.length);
  });
});

describe("damage", () => {
  const damage = async (bytes: Buffer, at: number) => {
    const handle = await open(await fileOf(bytes), "r+");
    await handle.write(Buffer.from([(bytes[at] ?? 0) ^ 1]), 0, 1, at);
    await handle.close();
  };

  test("is told, and no damaged byte is given; putting it again mends it", async () => {
    const bytes = randomBytes(3 * BLOCK_BYTES);
    const { uri } = await put(bytes);
    await damage(bytes, BLOCK_BYTES + 5);
    const got: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of rig.artifacts.read(uri)) got.push(chunk);
    })();
    await expect(reading).rejects.toMatchObject({
      status: "DATA_LOSS",
      reason: "ARTIFACT_CORRUPT",
      message: expect.stringContaining("bytes 1048576 to 2097151 are not what was stored"),
    });
    expect(sha256(Buffer.concat(got))).toBe(sha256(bytes.subarray(0, BLOCK_BYTES)));
    await expect(gather(rig.artifacts.read(uri, { offset: BLOCK_BYTES, length: 1 }))).rejects.toThrow(
      /damaged/,
    );
    // What is not damaged can still be had.
    expect(sha256(await gather(rig.artifacts.read(uri, { offset: 2 * BLOCK_BYTES })))).toBe(
      sha256(bytes.subarray(2 * BLOCK_BYTES)),
    );
    await put(bytes);
    expect(sha256(await gather(rig.artifacts.read(uri)))).toBe(sha256(bytes));
    const events = await rig.artifacts.history(uri);
    expect(events.map(({ what }) => what)).toEqual(["stored", "damaged", "mended"]);
  });

  test("by a lost end or a lost file is told", async () => {
    const bytes = randomBytes(1_000);
    const { uri } = await put(bytes);
    await truncate(await fileOf(bytes), 999);
    await expect(gather(rig.artifacts.read(uri))).rejects.toMatchObject({
      reason: "ARTIFACT_CORRUPT",
      message: expect.stringContaining("bytes 0 to 999 are missing"),
    });
    await put(bytes);
    expect(sha256(await gather(rig.artifacts.read(uri)))).toBe(sha256(bytes));
  });

  test("on the way is noticed at the end, and nothing is kept", async () => {
    const before = await files();
    const { id } = await rig.artifacts.uploads.begin(newUpload());
    await rig.artifacts.uploads.write(id, 0, Readable.from([Buffer.from("changed")]));
    await expect(rig.artifacts.uploads.finish(id, "0".repeat(64))).rejects.toMatchObject({
      status: "DATA_LOSS",
      reason: "ARTIFACT_DIGEST_WRONG",
      message: expect.stringContaining("it was changed on its way"),
    });
    expect(await files()).toHaveLength(before.length);
    await expect(rig.artifacts.uploads.get(id)).rejects.toMatchObject({ reason: "UPLOAD_UNKNOWN" });
  });
});

describe("an upload", () => {
  test("goes on where it was, in another process as well, and ends but once", async () => {
    const bytes = randomBytes(2 * BLOCK_BYTES + 100);
    const { uploads } = rig.artifacts;
    await uploads.begin(newUpload("resumed-upload"));
    const breaks = Readable.from(
      (async function* () {
        yield bytes.subarray(0, BLOCK_BYTES + 7);
        throw new Error("the connection broke");
      })(),
    );
    await expect(uploads.write("resumed-upload", 0, breaks)).rejects.toThrow("the connection broke");
    expect((await uploads.get("resumed-upload")).offset).toBe(BLOCK_BYTES + 7);
    const next = await rig.again();
    const again = await next.artifacts.uploads.begin(newUpload("resumed-upload"));
    expect(again.offset).toBe(BLOCK_BYTES + 7);
    await expect(
      next.artifacts.uploads.write("resumed-upload", 3, Readable.from([bytes])),
    ).rejects.toMatchObject({
      reason: "UPLOAD_OFFSET",
      metadata: { offset: String(BLOCK_BYTES + 7) },
      message: expect.stringContaining("goes on at 1048583, not at 3"),
    });
    await next.artifacts.uploads.write(
      "resumed-upload",
      again.offset,
      Readable.from([bytes.subarray(again.offset)]),
    );
    await expect(next.artifacts.uploads.finish("resumed-upload", "")).rejects.toMatchObject({
      reason: "UPLOAD_INVALID",
      message: expect.stringContaining("its sha256 is needed to know that it is whole"),
    });
    const digest = sha256(bytes);
    expect((await next.artifacts.uploads.finish("resumed-upload", digest)).digest).toBe(digest);
    expect((await next.artifacts.uploads.finish("resumed-upload", digest)).digest).toBe(digest);
    expect(await next.artifacts.uploads.get("resumed-upload")).toMatchObject({
      offset: bytes.length,
      uri: uriOf(bytes),
    });
    expect(sha256(await gather(next.artifacts.read(uriOf(bytes))))).toBe(sha256(bytes));
    await expect(uploads.write("resumed-upload", 0, Readable.from([bytes]))).rejects.toMatchObject({
      reason: "UPLOAD_FINISHED",
    });
  });

  test("is taken over by who comes later", async () => {
    const { uploads } = rig.artifacts;
    const { id } = await uploads.begin(newUpload());
    const silent = new Readable({ read() {} });
    const first = uploads.write(id, 0, silent);
    silent.push(Buffer.from("first "));
    const told = expect(first).rejects.toMatchObject({ reason: "UPLOAD_TAKEN_OVER" });
    while ((await uploads.get(id)).offset === 0 && silent.readableLength > 0) await new Promise(setImmediate);
    const second = Readable.from([Buffer.from("second")]);
    await expect(uploads.write(id, 6, second)).resolves.toMatchObject({ offset: 12 });
    await told;
    const { digest } = await uploads.finish(id, "");
    expect(digest).toBe(sha256(Buffer.from("first second")));
  });

  test("to which nothing comes for a day is given up", async () => {
    const { uploads } = rig.artifacts;
    const { id } = await uploads.begin(newUpload());
    await uploads.write(id, 0, Readable.from([Buffer.from("half")]));
    rig.clock.ms += UPLOAD_MS - 1_000;
    await expireUploads(rig.open, new Date(rig.clock.ms));
    await sweep(rig.open);
    expect((await uploads.get(id)).offset).toBe(4);
    rig.clock.ms += 2_000;
    await expireUploads(rig.open, new Date(rig.clock.ms));
    await sweep(rig.open);
    await expect(uploads.get(id)).rejects.toMatchObject({
      status: "NOT_FOUND",
      message: expect.stringContaining("nothing came for a day. Begin it again."),
    });
    expect((await files()).map(({ name }) => name)).not.toContain(id);
  });
});

describe("retention", () => {
  test("takes what is past its time, and leaves what is held", async () => {
    const [free, held, kept] = [randomBytes(10), randomBytes(11), randomBytes(12)];
    await put(free, { name: "free.txt" });
    await put(held, { holder: "order:1" });
    await put(kept);
    await rig.artifacts.keep(uriOf(kept), 0, "tester");
    rig.clock.ms += 2_000;
    await collectDue(rig.open, new Date(rig.clock.ms));
    await expect(rig.artifacts.get(uriOf(free))).rejects.toMatchObject({
      status: "NOT_FOUND",
      reason: "ARTIFACT_REMOVED",
      message: expect.stringMatching(/is gone: it was removed \S+Z by retention \(its time was over\)/),
    });
    expect(sha256(await gather(rig.artifacts.read(uriOf(held))))).toBe(sha256(held));
    expect(sha256(await gather(rig.artifacts.read(uriOf(kept))))).toBe(sha256(kept));
    await rig.artifacts.release("order:1");
    await collectDue(rig.open, new Date(rig.clock.ms));
    await expect(rig.artifacts.get(uriOf(held))).rejects.toMatchObject({ reason: "ARTIFACT_REMOVED" });
    // What is put again is there again, and its history goes on.
    await put(free);
    expect((await rig.artifacts.history(uriOf(free))).map(({ what }) => what)).toEqual([
      "stored",
      "removed",
      "stored",
    ]);
  });

  test("lets nobody remove what is held", async () => {
    const bytes = randomBytes(10);
    const { uri } = await put(bytes, { holder: "order:2" });
    await expect(rig.artifacts.remove(uri, "", "tester")).rejects.toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "ARTIFACT_HELD",
      message: expect.stringContaining("is needed by order:2"),
    });
    await rig.artifacts.release("order:2", uri);
    const file = await fileOf(bytes);
    await rig.artifacts.remove(uri, "wrong sample", "tester");
    await expect(stat(file)).rejects.toThrow("ENOENT");
    await expect(rig.artifacts.get(uri)).rejects.toThrow("by tester (wrong sample)");
  });

  test("sweeps what nothing names", async () => {
    await put(randomBytes(5));
    const before = (await files()).map(({ name }) => name);
    const stray = join(rig.folder, "artifacts/sha256/ab");
    const { mkdir, writeFile } = await import("node:fs/promises");
    await mkdir(stray, { recursive: true });
    await writeFile(join(stray, `${"ab".repeat(32)}.left-over-1`), "left");
    await writeFile(join(rig.folder, "artifacts/uploads/left-over-2"), "left");
    expect(await sweep(rig.open)).toBeGreaterThanOrEqual(2);
    expect((await files()).map(({ name }) => name)).toEqual(before);
  });
});

test("the history is only added to", async () => {
  for (const change of ["UPDATE artifact_history SET by_whom = 'x'", "DELETE FROM artifact_history"])
    await expect(rig.open.pool.query(change)).rejects.toThrow("the history of artifacts is only added to");
});

test("a store of another database is refused", async () => {
  const location = join(rig.folder, "other");
  const { mkdir, writeFile } = await import("node:fs/promises");
  await mkdir(location);
  await writeFile(join(location, "rouse-artifacts"), "somebody else\n");
  await expect(rig.again({ location })).rejects.toMatchObject({
    reason: "ARTIFACT_STORE_FOREIGN",
    message: expect.stringContaining("belong to another database"),
  });
});
