import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { artifacts, cache } from "../sdk/client/index.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { peakBytes } from "./support/peak-memory.ts";
import { root, rouse, rouseOk } from "./support/rouse.ts";
import { startS3 } from "./support/s3.ts";

let mesh: TestMesh;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-artifacts-mesh-"));
  mesh = await startMesh({
    runtime: "process",
    args: ["--artifacts", join(folder, "store"), "--artifacts-keep", "90d"],
  });
});
afterAll(async () => {
  await mesh?.close();
  await rm(folder, { recursive: true, force: true });
});

const MIB = 2 ** 20;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const sizeOf = async (file: string) => (await stat(file).catch(() => undefined))?.size ?? 0;
const run = (...args: string[]) => rouseOk(["artifacts", ...args, "--data", mesh.data]);
const fails = async (...args: string[]) => {
  const { code, stderr } = await rouse(["artifacts", ...args, "--data", mesh.data]);
  expect(code).toBe(1);
  return stderr;
};
async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe("by command", () => {
  test("an artifact is stored, found, told of, read and removed", async () => {
    const bytes = randomBytes(2 * MIB);
    const file = join(folder, "reads.fastq");
    await writeFile(file, bytes);
    const uri = (await run("put", file, "--meta", "organism=lambda", "--meta", "reads=1200")).trim();
    expect(uri).toBe(`artifact:sha256-${sha256(bytes)}?name=reads.fastq`);
    expect((await run("put", file, "--meta", "organism=lambda", "--meta", "reads=1200")).trim()).toBe(uri);
    const listed = await run("list", "lambda", "--where", "reads>1000");
    expect(listed).toMatch(/STORED +SIZE +NAME +BY +ARTIFACT/);
    expect(listed).toMatch(
      /2\.0 MiB +reads\.fastq +\S+ +artifact:sha256-[0-9a-f]{64} +organism=lambda reads=1200/,
    );
    expect(await run("list", "--where", "reads>2000")).toContain("There are none");
    await run("annotate", uri, "quality=good");
    const shown = await run("show", uri);
    expect(shown).toMatch(/size +2\.0 MiB \(2097152 bytes\)/);
    expect(shown).toMatch(/quality +good/);
    expect(shown).toMatch(/annotated by \S+ {2}quality=good/);
    await run("get", uri, join(folder, "copy"));
    expect(sha256(await readFile(join(folder, "copy")))).toBe(sha256(bytes));
    expect(await run("verify", uri)).toContain("2.0 MiB are what was stored");
    await run("hold", uri, "study:17");
    expect(await fails("rm", uri)).toContain("is needed by study:17, and stays until they are done with it");
    await run("release", "study:17");
    await run("rm", uri, "--reason", "wrong sample");
    expect(await fails("get", uri, "-")).toMatch(
      /is gone: it was removed \S+ by \S+ \(wrong sample\).*ARTIFACT_REMOVED/,
    );
    // The same file is stored anew.
    expect((await run("put", file, "--meta", "organism=lambda", "--meta", "reads=1200")).trim()).toBe(uri);
    await run("keep", uri, "forever");
    expect(await run("show", uri)).toMatch(/kept +for ever/);
  });

  test("after Ctrl-C the same command goes on", async () => {
    const source = join(folder, "large.bin");
    const handle = await open(source, "w");
    await handle.write(randomBytes(MIB));
    // The rest is a hole: no test needs the disk for it.
    await handle.truncate(384 * MIB);
    await handle.close();
    const uploads = join(folder, "store/uploads");
    const arriving = async () => {
      const names = await readdir(uploads).catch(() => []);
      return Math.max(0, ...(await Promise.all(names.map((name) => sizeOf(join(uploads, name))))));
    };
    // Another name is another upload, where one has come to its end before Ctrl-C did.
    const name = await interrupted("put", arriving, (turn) => [source, "--name", `large-${turn}.bin`]);
    const again = await rouse(["artifacts", "put", source, "--name", name, "--data", mesh.data]);
    expect(again.stderr).toMatch(new RegExp(`^${name}: goes on at \\d+\\.\\d MiB$`, "m"));
    const uri = again.stdout.trim();
    const copy = join(folder, "large-copy");
    const got = () => sizeOf(`${copy}.part`);
    await interrupted("get", got, async () => {
      for (const left of [copy, `${copy}.part`]) await rm(left, { force: true });
      return [uri, copy];
    });
    const gotAgain = await rouse(["artifacts", "get", uri, copy, "--data", mesh.data]);
    expect(gotAgain.stderr).toMatch(/large-copy: goes on at \d+\.\d MiB$/m);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(copy)) hash.update(chunk);
    expect(uri).toBe(`artifact:sha256-${hash.digest("hex")}?name=${name}`);
    await run("rm", uri);
    await rm(copy);
  });

  /** Interrupts a command in the middle; resolves to what it was told last. @param arrived Bytes that it has brought. */
  async function interrupted(
    verb: "put" | "get",
    arrived: () => Promise<number>,
    make: (turn: number) => readonly string[] | Promise<readonly string[]>,
  ): Promise<string> {
    for (let turn = 0; turn < 10; turn++) {
      const args = await make(turn);
      const bin = join(root, "cli/bin/rouse.mjs");
      const child = spawn(process.execPath, [bin, "artifacts", verb, ...args, "--data", mesh.data]);
      const ended = once(child, "exit");
      while (child.exitCode === null && child.signalCode === null && (await arrived()) < 32 * MIB)
        await sleep(2);
      child.kill("SIGINT");
      const [code] = await ended;
      if (code !== 0) return args.at(-1) ?? "";
    }
    throw new Error(`ten times ${verb} ended before it could be interrupted`);
  }

  test("what is none is refused", async () => {
    expect(await fails("get", "nonsense", "-")).toContain("is no artifact's URI");
    expect(await fails("put", join(folder, "nowhere"))).toContain("cannot be stored: ENOENT");
    expect(await fails("put", folder, "--meta", "x")).toContain("give key=value");
  });
});

describe("through Envoy", () => {
  test.each([
    ["the edge", () => mesh.edge],
    ["the mesh's listener", () => mesh.mesh],
    ["its socket", () => `unix:${mesh.meshSocket}`],
  ])("content goes by %s", async (_, target) => {
    const store = artifacts({ target: target() });
    try {
      const bytes = randomBytes(12 * MIB + 1);
      const { uri } = await store.put(
        (async function* () {
          for (let at = 0; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB);
        })(),
        { name: "stream.bin" },
      );
      expect(sha256(await gather(store.get(uri)))).toBe(sha256(bytes));
      expect(await gather(store.get(uri, { offset: 7, length: 3 }))).toEqual(bytes.subarray(7, 10));
    } finally {
      store.close();
    }
  });

  test("content of any size passes through orders in bounded memory", async () => {
    const store = artifacts({ target: mesh.mesh, sharesDisk: false });
    try {
      const hash = createHash("sha256");
      const bytes = 512 * MIB;
      const { uri } = await store.put(
        (async function* () {
          const chunk = randomBytes(MIB);
          for (let at = 0; at < bytes; at += MIB) {
            chunk.writeUInt32BE(at);
            hash.update(chunk);
            yield Buffer.from(chunk);
          }
        })(),
      );
      expect(uri).toBe(`artifact:sha256-${hash.digest("hex")}`);
      let read = 0;
      for await (const chunk of store.get(uri)) read += chunk.length;
      expect(read).toBe(bytes);
      const peak = await peakBytes(mesh.childPid("orders"));
      expect(peak).toBeGreaterThan(0);
      expect(peak).toBeLessThan(bytes - 64 * MIB);
      await store.remove(uri);
    } finally {
      store.close();
    }
  });

  test("a browser sees it at the edge, where nothing can be removed", async () => {
    const store = artifacts({ target: mesh.edge });
    try {
      const { uri, owner } = await store.put(Buffer.from("a\tb\n"), { name: "table.tsv" });
      expect(owner).toBe("outside");
      const id = uri.split(/[:?]/)[1];
      const answer = await fetch(`http://${mesh.edge}/content/${id}/table.tsv`);
      expect(await answer.text()).toBe("a\tb\n");
      expect(answer.headers.get("content-type")).toBe("text/tab-separated-values; charset=utf-8");
      expect(answer.headers.get("content-security-policy")).toContain("sandbox");
      await expect(store.remove(uri)).rejects.toMatchObject({ reason: "ONLY_WITHIN_MESH" });
    } finally {
      store.close();
    }
  });
});

describe("a service's cache", () => {
  test("is shared by its instances, and no other service's", async () => {
    const of = (service: string, target: string) => {
      const before = process.env.ROUSE_SERVICE;
      process.env.ROUSE_SERVICE = service;
      try {
        return cache({ target });
      } finally {
        if (before === undefined) delete process.env.ROUSE_SERVICE;
        else process.env.ROUSE_SERVICE = before;
      }
    };
    const caches = [
      of("a.v1.A", mesh.mesh),
      of("a.v1.A", `unix:${mesh.meshSocket}`),
      of("b.v1.B", mesh.mesh),
    ];
    const [one, other, foreign] = caches;
    const outside = of("a.v1.A", mesh.edge);
    try {
      await one?.set("key", Buffer.from("value"));
      expect(String(await other?.get("key"))).toBe("value");
      expect(await foreign?.get("key")).toBeUndefined();
      const made = await foreign?.through("key", async () => Buffer.from("made"));
      expect([String(made), String(await foreign?.get("key"))]).toEqual(["made", "made"]);
      expect(await one?.usage()).toMatchObject({ entries: 1, mostBytes: 64 * MIB });
      await expect(outside.get("key")).rejects.toMatchObject({ reason: "ONLY_WITHIN_MESH" });
      const nobody = cache({ target: mesh.mesh });
      await expect(nobody.get("key")).rejects.toMatchObject({
        reason: "CACHE_NO_SERVICE",
        message: expect.stringContaining("this caller is none"),
      });
      nobody.close();
    } finally {
      for (const each of [...caches, outside]) each.close();
    }
  });
});

describe("when orders are killed", () => {
  test("uploads go on, and what was answered is there", async () => {
    const store = artifacts({ target: mesh.mesh });
    try {
      const contents = Array.from({ length: 12 }, (_, n) => randomBytes(9 * MIB + n));
      let sent = 0;
      let killed = Promise.resolve();
      const putting = contents.map((bytes) =>
        store.put(
          (async function* () {
            for (let at = 0; at < bytes.length; at += MIB) {
              // Now and then, in the middle of them all.
              if (++sent % 45 === 0) killed = killed.then(() => mesh.restart("orders", "SIGKILL"));
              yield bytes.subarray(at, at + MIB);
            }
          })(),
        ),
      );
      const stored = await Promise.all(putting);
      await killed;
      for (const [n, { uri }] of stored.entries()) {
        expect(uri).toBe(`artifact:sha256-${sha256(contents[n] ?? Buffer.alloc(0))}`);
        expect(await store.verify(uri)).toBe(contents[n]?.length);
      }
    } finally {
      store.close();
    }
  });

  test("damage that the disk did meanwhile is told", async () => {
    const store = artifacts({ target: mesh.edge });
    try {
      const bytes = randomBytes(2 * MIB);
      const { uri } = await store.put(bytes);
      const digest = sha256(bytes);
      const within = join(folder, "store/sha256", digest.slice(0, 2));
      const name = (await readdir(within)).find((other) => other.startsWith(digest)) ?? "";
      const handle = await open(join(within, name), "r+");
      await handle.write("bit rot", MIB + 100);
      await handle.close();
      const said = await fails("get", uri, join(folder, "damaged"));
      expect(said).toMatch(/is damaged in the store .*: bytes 1048576 to 2097151 are not what was stored/);
      await expect(gather(store.get(uri))).rejects.toMatchObject({ reason: "ARTIFACT_CORRUPT" });
      const browser = await fetch(`http://${mesh.edge}/content/sha256-${digest}`);
      await expect(browser.arrayBuffer()).rejects.toThrow();
    } finally {
      store.close();
    }
  });
});

describe("with an S3-compatible store by its URL", () => {
  test("what was put is there after kill -9, in the bucket and nowhere else", async () => {
    const s3 = await startS3();
    let meshOnS3: TestMesh | undefined;
    try {
      for (const [name, value] of Object.entries(s3.keys)) vi.stubEnv(name, value);
      const location = `s3://bucket/mesh?endpoint=${encodeURIComponent(s3.endpoint)}&region=eu-test-1`;
      meshOnS3 = await startMesh({ runtime: "process", args: ["--artifacts", location] });
      const on = ["--data", meshOnS3.data];
      const bytes = randomBytes(20 * MIB + 3);
      const file = join(folder, "for-s3");
      await writeFile(file, bytes);
      const uri = (await rouseOk(["artifacts", "put", file, ...on])).trim();
      expect(uri).toBe(`artifact:sha256-${sha256(bytes)}?name=for-s3`);
      const [object = ""] = await readdir(join(s3.folder, "mesh/sha256"));
      expect(sha256(await readFile(join(s3.folder, "mesh/sha256", object)))).toBe(sha256(bytes));
      const own = await readdir(join(meshOnS3.data, "orders/artifacts"), { recursive: true });
      const left = await Promise.all(
        own.map((name) => sizeOf(join(meshOnS3?.data ?? "", "orders/artifacts", name))),
      );
      expect(Math.max(...left)).toBeLessThan(bytes.length);
      await meshOnS3.restart("orders", "SIGKILL");
      await rouseOk(["artifacts", "get", uri, `${file}-copy`, ...on]);
      expect(sha256(await readFile(`${file}-copy`))).toBe(sha256(bytes));
      const store = artifacts({ target: meshOnS3.edge });
      const read = gather(store.get(uri, { offset: 9 * MIB, length: 5 })).finally(() => store.close());
      expect(await read).toEqual(bytes.subarray(9 * MIB, 9 * MIB + 5));
    } finally {
      vi.unstubAllEnvs();
      await meshOnS3?.close();
      await s3.close();
    }
  });
});
