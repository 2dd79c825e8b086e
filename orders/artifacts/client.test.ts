import { createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArtifactsClient, ArtifactsService } from "#proto/rouse/orders/v1/artifacts.ts";
import { type HttpRoute, type RunningHttp, startHttp } from "../../registry/http.ts";
import { BlockSums } from "../../sdk/client/artifacts/block-sums.ts";
import { type Artifacts, artifacts } from "../../sdk/client/artifacts/client.ts";
import { listen, unary } from "../../sdk/grpc.ts";
import { until } from "../../test/support/live.ts";
import { artifactsRoute } from "./http.ts";
import { artifactsService } from "./service.ts";
import { type ArtifactsRig, gather, startArtifacts } from "./testing/rig.ts";

const MIB = 2 ** 20;
const log = pino({ level: "silent" });

let rig: ArtifactsRig;
let grpc: Server;
let http: RunningHttp;
let client: Artifacts;
let folder: string;
let target: string;
beforeAll(async () => {
  rig = await startArtifacts({ keepMs: 86_400_000 });
  folder = await mkdtemp(join(tmpdir(), "rouse-artifacts-client-"));
  grpc = new Server({ "grpc.max_receive_message_length": 32 * MIB });
  grpc.addService(ArtifactsService, artifactsService(rig.artifacts));
  target = await listen(grpc, "127.0.0.1:0");
  http = await startHttp("127.0.0.1:0", [artifactsRoute(rig.artifacts, log)], log);
  client = artifacts({ target, http: http.address, headers: { "rouse-user": "ada" } });
});
afterAll(async () => {
  client?.close();
  grpc?.forceShutdown();
  await http?.close();
  await rig?.close();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const file = async (name: string, bytes: Buffer) => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};
async function* chunked(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
/** Flips a bit of a content in the store. */
async function damage(bytes: Buffer, at: number) {
  const digest = sha256(bytes);
  const within = join(rig.folder, "artifacts/sha256", digest.slice(0, 2));
  const name = (await readdir(within)).find((other) => other.startsWith(digest)) ?? "";
  const handle = await open(join(within, name), "r+");
  await handle.write(Buffer.from([(bytes[at] ?? 0) ^ 1]), 0, 1, at);
  await handle.close();
}

describe("put and get", () => {
  test("bytes, a stream and a file", async () => {
    const bytes = randomBytes(9 * MIB + 3);
    const path = await file("reads.fastq", bytes);
    const stored = await client.put(
      { file: path },
      { name: "reads.fastq", metadata: { organism: "lambda" } },
    );
    expect(stored).toMatchObject({
      uri: `artifact:sha256-${sha256(bytes)}?name=reads.fastq`,
      bytes: bytes.length,
      mediaType: "text/plain",
      metadata: { organism: "lambda" },
      owner: "ada",
    });
    expect((await client.put(chunked(bytes, 100_000))).uri).toBe(stored.uri);
    expect((await client.put(bytes)).uri).toBe(stored.uri);
    expect(sha256(await gather(client.get(stored.uri)))).toBe(sha256(bytes));
    const part = await gather(client.get(stored.uri, { offset: MIB - 1, length: 3 }));
    expect(part).toEqual(bytes.subarray(MIB - 1, MIB + 2));
    expect(await gather(client.get(stored.uri, { offset: bytes.length }))).toHaveLength(0);
    await client.download(stored.uri, join(folder, "copy"));
    expect(sha256(await readFile(join(folder, "copy")))).toBe(sha256(bytes));
    expect(await client.verify(stored.uri)).toBe(bytes.length);
  });

  test("nothing at all", async () => {
    const { uri, bytes } = await client.put(new Uint8Array());
    expect(bytes).toBe(0);
    expect(await gather(client.get(uri))).toHaveLength(0);
  });

  test("a download goes on where it was", async () => {
    const bytes = randomBytes(3 * MIB);
    const { uri } = await client.put(bytes);
    await writeFile(join(folder, "part.part"), bytes.subarray(0, 2 * MIB + 5));
    await client.download(uri, join(folder, "part"));
    expect(sha256(await readFile(join(folder, "part")))).toBe(sha256(bytes));
    // What was left is of something else.
    await writeFile(join(folder, "wrong.part"), randomBytes(100));
    await expect(client.download(uri, join(folder, "wrong"))).rejects.toMatchObject({
      status: "DATA_LOSS",
      message: expect.stringContaining("has another digest"),
    });
    await client.download(uri, join(folder, "wrong"));
    expect(sha256(await readFile(join(folder, "wrong")))).toBe(sha256(bytes));
  });

  test("damage is told, and never taken for content", async () => {
    const bytes = randomBytes(5 * MIB);
    const { uri } = await client.put(bytes);
    await damage(bytes, 3 * MIB + 9);
    const got: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of client.get(uri)) got.push(chunk);
    })();
    const corrupt = { status: "DATA_LOSS", reason: "ARTIFACT_CORRUPT" };
    await expect(reading).rejects.toMatchObject({
      ...corrupt,
      message: expect.stringContaining("bytes 3145728 to 4194303 are not what was stored"),
    });
    const all = Buffer.concat(got);
    expect(bytes.subarray(0, all.length).equals(all)).toBe(true);
    await expect(client.download(uri, join(folder, "damaged"))).rejects.toMatchObject(corrupt);
    expect(await readdir(folder)).not.toContain("damaged");
    await expect(client.verify(uri)).rejects.toMatchObject(corrupt);
    await client.put(bytes);
    expect(await client.verify(uri)).toBe(bytes.length);
  });

  test("a file that is none is told", async () => {
    await expect(client.put({ file: folder })).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "ARTIFACT_FILE_UNREADABLE",
      message: expect.stringContaining("it is no plain file"),
    });
  });
});

/** A way to the HTTP side that breaks each of its first connections after so many bytes either way. */
async function brittle(limits: number[]): Promise<{ address: string; broken(): number; server: NetServer }> {
  let broken = 0;
  const [host, port] = http.address.split(":");
  const server = createServer((client: Socket) => {
    let left = limits.shift() ?? Number.POSITIVE_INFINITY;
    const behind = connect(Number(port), host);
    const pass = (from: Socket, to: Socket) => {
      from.on("data", (data) => {
        left -= data.length;
        if (left > 0) {
          if (!to.write(data)) {
            from.pause();
            to.once("drain", () => from.resume());
          }
          return;
        }
        broken += 1;
        left = Number.POSITIVE_INFINITY;
        client.destroy();
        behind.destroy();
      });
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    };
    pass(client, behind);
    pass(behind, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: own } = server.address() as { port: number };
  return { address: `127.0.0.1:${own}`, broken: () => broken, server };
}

describe("a connection that breaks", () => {
  test.each([
    ["a file", (path: string, _bytes: Buffer) => ({ file: path })],
    ["a stream", (_path: string, bytes: Buffer) => chunked(bytes, 300_000)],
  ])("is made again, and %s goes on where it was", async (_, source) => {
    const way = await brittle([3 * MIB, 5 * MIB, 100, 6 * MIB]);
    const over = artifacts({ target, http: way.address, sharesDisk: false });
    try {
      const bytes = randomBytes(20 * MIB);
      const { uri } = await over.put(source(await file("brittle", bytes), bytes));
      expect(uri).toBe(`artifact:sha256-${sha256(bytes)}`);
      // How many depends on what has arrived before each break.
      expect(way.broken()).toBeGreaterThan(1);
    } finally {
      over.close();
      way.server.close();
    }
  });

  test("is made again, and what is read goes on where it was", async () => {
    const bytes = randomBytes(20 * MIB);
    const { uri } = await client.put(bytes);
    const way = await brittle([3 * MIB, 5 * MIB, 100, 6 * MIB]);
    const over = artifacts({ target, http: way.address });
    try {
      expect(sha256(await gather(over.get(uri)))).toBe(sha256(bytes));
      // How many depends on what has arrived before each break.
      expect(way.broken()).toBeGreaterThan(1);
    } finally {
      over.close();
      way.server.close();
    }
  });
});

describe("on the store's own disk", () => {
  test("files are copied, and not sent", async () => {
    // Who sends more than this breaks its connection.
    const way = await brittle([MIB]);
    const near = artifacts({ target, http: way.address });
    try {
      const bytes = randomBytes(40 * MIB + 7);
      const told: number[] = [];
      const { uri } = await near.put(
        { file: await file("near", bytes) },
        { onProgress: (sent) => told.push(sent) },
      );
      expect(uri).toBe(`artifact:sha256-${sha256(bytes)}`);
      expect(told.at(-1)).toBe(bytes.length);
      await near.download(uri, join(folder, "near-copy"));
      expect(sha256(await readFile(join(folder, "near-copy")))).toBe(sha256(bytes));
      expect(way.broken()).toBe(0);
      // Its blocks have their checksums as those have that were sent.
      expect(await client.verify(uri)).toBe(bytes.length);
      const part = await gather(client.get(uri, { offset: 17 * MIB + 1, length: 100 }));
      expect(part).toEqual(bytes.subarray(17 * MIB + 1, 17 * MIB + 101));
    } finally {
      near.close();
      way.server.close();
    }
  });

  test("a copy that is stopped goes on through the connection", async () => {
    const route = artifactsRoute(rig.artifacts, log);
    const asked: string[] = [];
    const failing: HttpRoute = {
      ...route,
      handle(request, response, url) {
        asked.push(`${request.method} ${url.search.replace(/\d+/g, (n) => String(Number(n) / MIB))}`);
        if (asked.length === 3) response.destroy();
        else return route.handle(request, response, url);
      },
    };
    const other = await startHttp("127.0.0.1:0", [failing], log);
    const near = artifacts({ target, http: other.address });
    try {
      const bytes = randomBytes(50 * MIB);
      const { uri } = await near.put({ file: await file("near-broken", bytes) });
      expect(uri).toBe(`artifact:sha256-${sha256(bytes)}`);
      const [, from = ""] = /^PUT \?offset=0&written=(\d+)$/.exec(asked[1] ?? "") ?? [];
      expect(asked).toEqual([
        "HEAD ",
        `PUT ?offset=0&written=${from}`,
        expect.stringMatching(`^PUT .offset=${from}&written=`),
        `PUT ?offset=${from}`,
      ]);
      expect(await client.verify(uri)).toBe(bytes.length);
    } finally {
      near.close();
      await other.close();
    }
  });

  /** Begins an upload, and writes to its file what another process would. */
  const copyOf = async (copied: Buffer) => {
    const { uploads } = rig.artifacts;
    const begin = { id: "", name: "", mediaType: "", metadata: {}, owner: "ada" };
    const { id } = await uploads.begin({ ...begin, keepMs: 0, keepForever: false, holder: "", bytes: 0 });
    await writeFile(await uploads.fileOf(id), copied, { flag: "r+" });
    return id;
  };
  const sumsOf = (bytes: Buffer) => {
    const sums = new BlockSums();
    sums.update(bytes);
    return sums.bytes();
  };
  const flipped = (bytes: Buffer, at: number) => {
    const out = Buffer.from(bytes);
    out[at] = (out[at] ?? 0) ^ 1;
    return out;
  };

  test.each([
    ["its first block", 5],
    ["its ninth", 8 * MIB],
    ["its last", 10 * MIB + 8],
  ])("a copy that is not what the file is, in %s, is told, and nothing of it is kept", async (_, at) => {
    const { uploads } = rig.artifacts;
    const bytes = randomBytes(10 * MIB + 9);
    const id = await copyOf(flipped(bytes, at));
    await uploads.take(id, 0, 10 * MIB);
    await uploads.take(id, 10 * MIB, bytes.length);
    await expect(uploads.finish(id, "", sumsOf(bytes))).rejects.toMatchObject({
      status: "DATA_LOSS",
      reason: "ARTIFACT_DIGEST_WRONG",
      message: `The copy of the file that the upload ${id} stores has other bytes than the file: it was changed while it was copied, or the disk is at fault. Nothing of it is kept; store it again.`,
    });
    await expect(uploads.get(id)).rejects.toMatchObject({ reason: "UPLOAD_UNKNOWN" });
  });

  test("in another block it is told by who reads it, or soon by orders", async () => {
    const { uploads } = rig.artifacts;
    const bytes = randomBytes(10 * MIB);
    const wrong = [flipped(bytes, 3 * MIB), flipped(bytes, 5 * MIB)];
    const uris: string[] = [];
    for (const copied of wrong) {
      const id = await copyOf(copied);
      await uploads.take(id, 0, bytes.length);
      uris.push(`artifact:sha256-${(await uploads.finish(id, "", sumsOf(bytes))).digest}`);
    }
    const [read = "", left = ""] = uris;
    await expect(gather(client.get(read))).rejects.toMatchObject({
      reason: "ARTIFACT_CORRUPT",
      message: expect.stringContaining("bytes 3145728 to 4194303 are not what was stored"),
    });
    await until("orders has read the other one", async () =>
      (await client.history(left)).some(({ what }) => what === "damaged"),
    );
    await expect(client.download(left, join(folder, "near-left"))).rejects.toMatchObject({
      message: expect.stringContaining("bytes 5242880 to 6291455 are not what was stored"),
    });
    // What the file is has its own name.
    const { uri } = await client.put({ file: await file("near-anew", bytes) });
    expect(uri).toBe(`artifact:sha256-${sha256(bytes)}`);
    expect(await client.verify(uri)).toBe(bytes.length);
  });

  test.each(["in the same process", "after a restart"])(
    "of a copy that another one began all is compared, %s",
    async (when) => {
      const bytes = randomBytes(12 * MIB + 1);
      const kept: string[] = [];
      for (const began of [flipped(bytes, 3 * MIB), bytes]) {
        const id = await copyOf(began.subarray(0, 6 * MIB + 5));
        await rig.artifacts.uploads.take(id, 0, 6 * MIB + 5);
        const { uploads } = when === "after a restart" ? (await rig.again()).artifacts : rig.artifacts;
        const handle = await open(await uploads.fileOf(id), "r+");
        await handle.write(bytes, 6 * MIB + 5, bytes.length - 6 * MIB - 5, 6 * MIB + 5);
        await handle.close();
        await uploads.take(id, 6 * MIB + 5, bytes.length);
        const finishing = uploads.finish(id, "", sumsOf(bytes));
        if (began === bytes) kept.push((await finishing).digest);
        else await expect(finishing).rejects.toMatchObject({ reason: "ARTIFACT_DIGEST_WRONG" });
      }
      expect(kept).toEqual([sha256(bytes)]);
      expect(await client.verify(`artifact:sha256-${sha256(bytes)}`)).toBe(bytes.length);
    },
  );

  test("what is copied is finished once, with as many checksums as it has blocks", async () => {
    const { uploads } = rig.artifacts;
    const bytes = randomBytes(9 * MIB + 1);
    const id = await copyOf(bytes);
    await uploads.take(id, 0, bytes.length);
    await expect(uploads.finish(id, "", sumsOf(bytes).subarray(4))).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "UPLOAD_INVALID",
      message: "The upload cannot be made: block_sums has 36 bytes, where its 9437185 bytes need 40.",
    });
    for (let time = 0; time < 2; time++)
      expect((await uploads.finish(id, "", sumsOf(bytes))).digest).toBe(sha256(bytes));
  });

  test("a file that is changed meanwhile is stored as it was read", async () => {
    const bytes = randomBytes(40 * MIB);
    const path = await file("near-changing", bytes);
    const handle = await open(path, "r+");
    let changed = 0;
    const { signal } = new AbortController();
    // Whoever copies asks this after each block, also before the last one is read.
    signal.throwIfAborted = () => {
      changed += 1;
      for (let at = 0; at < bytes.length; at += MIB / 2) writeSync(handle.fd, "changed", at + changed);
    };
    const { uri } = await client.put({ file: path }, { signal });
    await handle.close();
    expect(changed).toBeGreaterThan(0);
    for (const other of [bytes, await readFile(path)])
      expect(uri).not.toBe(`artifact:sha256-${sha256(other)}`);
    expect(await client.verify(uri)).toBe(bytes.length);
  });

  test("damage is told, and nothing is left that looks whole", async () => {
    const bytes = randomBytes(3 * MIB);
    const { uri } = await client.put(bytes);
    await damage(bytes, 2 * MIB + 1);
    await expect(client.download(uri, join(folder, "near-damaged"))).rejects.toMatchObject({
      reason: "ARTIFACT_CORRUPT",
      message: expect.stringContaining("bytes 2097152 to 3145727 are not what was stored"),
    });
    expect(await readdir(folder)).not.toContain("near-damaged");
  });

  test("what is taken of an upload is what is in its file", async () => {
    const at = (path: string) => `http://${http.address}/content/${path}`;
    const { id } = await rig.artifacts.uploads.begin({
      ...{ id: "", name: "", mediaType: "", metadata: {}, owner: "ada" },
      ...{ keepMs: 0, keepForever: false, holder: "", bytes: 0 },
    });
    const told = await fetch(at(`uploads/${id}`), { method: "HEAD" });
    const path = decodeURIComponent(told.headers.get("x-rouse-file") ?? "");
    await writeFile(path, "0123456789", { flag: "r+" });
    const take = async (query: string) => {
      const answer = await fetch(at(`uploads/${id}?${query}`), { method: "PUT" });
      return [answer.status, await answer.json()];
    };
    expect(await take("offset=0&written=4")).toEqual([200, expect.objectContaining({ offset: 4 })]);
    expect(await take("offset=4&written=100")).toEqual([200, expect.objectContaining({ offset: 10 })]);
    expect(await take("offset=4&written=10")).toEqual([
      400,
      expect.objectContaining({ reason: "UPLOAD_OFFSET" }),
    ]);
    expect(await take("offset=10&written=all")).toEqual([
      400,
      expect.objectContaining({ message: expect.stringContaining("written is no number of bytes") }),
    ]);
    await expect(rig.artifacts.uploads.finish(id, "")).rejects.toMatchObject({
      message: expect.stringContaining("its sha256 is needed"),
    });
    await rig.artifacts.uploads.finish(id, sha256(Buffer.from("0123456789")));
  });

  test("where that is, callers at the edge are not told", async () => {
    const { uri } = await client.put(Buffer.from("where is it"));
    const { id } = await rig.artifacts.uploads.begin({
      ...{ id: "", name: "", mediaType: "", metadata: {}, owner: "ada" },
      ...{ keepMs: 0, keepForever: false, holder: "", bytes: 0 },
    });
    const ask = (path: string, method: string, headers = {}) =>
      fetch(`http://${http.address}/content/${path}`, { method, headers });
    const edge = { "x-rouse-edge": "1" };
    const content = uri.slice("artifact:".length);
    expect((await ask(content, "HEAD")).headers.get("x-rouse-file")).toContain(
      content.slice("sha256-".length),
    );
    expect((await ask(content, "HEAD", edge)).headers.has("x-rouse-file")).toBe(false);
    expect((await ask(`uploads/${id}`, "HEAD", edge)).status).toBe(403);
    expect(await (await ask(`uploads/${id}?offset=0&written=1`, "PUT", edge)).json()).toMatchObject({
      reason: "ONLY_WITHIN_MESH",
      message: expect.stringContaining("Writing to the file of an upload is for the services of the mesh"),
    });
    await rig.artifacts.uploads.abandon(id);
  });
});

describe("over gRPC alone", () => {
  const open = () => new ArtifactsClient(target, credentials.createInsecure());
  const upload = {
    name: "",
    mediaType: "",
    metadata: {},
    keepMs: 0,
    keepForever: false,
    holder: "",
    bytes: 0,
  };

  test("content is written and read in streams", async () => {
    const api = open();
    try {
      const bytes = randomBytes(3 * MIB + 1);
      const { id } = await unary(api, "beginUpload", { ...upload, id: "" });
      const offset = await new Promise<number>((resolve, reject) => {
        const stream = api.writeUpload((error, answer) => (error ? reject(error) : resolve(answer.offset)));
        for (let at = 0; at < bytes.length; at += MIB)
          stream.write({ id, offset: at, chunk: bytes.subarray(at, at + MIB) });
        stream.end();
      });
      expect(offset).toBe(bytes.length);
      const { uri } = await unary(api, "finishUpload", {
        id,
        sha256: sha256(bytes),
        blockSums: Buffer.alloc(0),
      });
      const chunks: Buffer[] = [];
      for await (const { chunk } of api.readArtifact({ uri, offset: 5, length: 0 })) chunks.push(chunk);
      expect(sha256(Buffer.concat(chunks))).toBe(sha256(bytes.subarray(5)));
    } finally {
      api.close();
    }
  });

  test("a stream that is cancelled leaves what has come", async () => {
    const api = open();
    try {
      const { id } = await unary(api, "beginUpload", { ...upload, id: "" });
      const stream = api.writeUpload(() => undefined);
      stream.on("error", () => undefined);
      stream.write({ id, offset: 0, chunk: Buffer.alloc(2 * MIB, 1) });
      stream.write({ id: "", offset: 0, chunk: Buffer.alloc(100, 2) });
      const offset = async () => (await unary(api, "getUpload", { id })).offset;
      await until("the first chunk is written", async () => (await offset()) >= 2 * MIB);
      stream.cancel();
      const rest = (from: number) =>
        new Promise<number>((resolve, reject) => {
          const stream = api.writeUpload((error, answer) => (error ? reject(error) : resolve(answer.offset)));
          stream.write({ id, offset: from, chunk: Buffer.alloc(10, 3) });
          stream.end();
        });
      // What had come of the second chunk may still be on its way to the disk.
      await until("it goes on", async () => {
        const from = await offset();
        return (await rest(from).catch(() => 0)) === from + 10;
      });
      await unary(api, "abandonUpload", { id });
      await expect(unary(api, "getUpload", { id })).rejects.toMatchObject({ reason: "UPLOAD_UNKNOWN" });
    } finally {
      api.close();
    }
  });
});

describe("over plain HTTP", () => {
  const at = (path: string) => `http://${http.address}${path}`;

  test("a browser gets it, or a part of it, and runs nothing of it", async () => {
    const text = "<script>alert(1)</script>";
    const { uri } = await client.put(Buffer.from(text), { name: "a page's.html" });
    const id = uri.slice("artifact:".length).split("?")[0];
    const answer = await fetch(at(`/content/${id}/page.html`));
    expect(await answer.text()).toBe(text);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-disposition": "inline; filename*=UTF-8''a%20page%27s.html",
      "content-security-policy": expect.stringContaining("sandbox"),
      "x-content-type-options": "nosniff",
      etag: `"${id}"`,
    });
    const part = await fetch(at(`/content/${id}?download`), { headers: { range: "bytes=1-6" } });
    expect([part.status, await part.text()]).toEqual([206, "script"]);
    expect(part.headers.get("content-range")).toBe(`bytes 1-6/${text.length}`);
    expect(part.headers.get("content-disposition")).toMatch(/^attachment/);
    const known = await fetch(at(`/content/${id}`), { headers: { "if-none-match": `"${id}"` } });
    expect(known.status).toBe(304);
    const beyond = await fetch(at(`/content/${id}`), { headers: { range: "bytes=99-" } });
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, `bytes */${text.length}`]);
    expect((await fetch(at(`/content/${id}`), { method: "HEAD" })).headers.get("content-length")).toBe("25");
  });

  test("curl stores it in one request", async () => {
    const body = randomBytes(2 * MIB);
    const digest = sha256(body);
    const query = `name=a.csv&meta.sample=17&sha256=${digest}`;
    const answer = await fetch(at(`/content/new?${query}`), { method: "PUT", body });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      uri: `artifact:sha256-${digest}?name=a.csv`,
      mediaType: "text/csv",
      metadata: { sample: "17" },
    });
    const wrong = await fetch(at(`/content/new?sha256=${"0".repeat(64)}`), { method: "PUT", body });
    expect(await wrong.json()).toMatchObject({ reason: "ARTIFACT_DIGEST_WRONG" });
  });

  test("what is not there, or is nothing, is told", async () => {
    const missing = await fetch(at(`/content/sha256-${"0".repeat(64)}`));
    expect([missing.status, await missing.json()]).toEqual([
      404,
      expect.objectContaining({ reason: "ARTIFACT_UNKNOWN" }),
    ]);
    const nonsense = await fetch(at("/content/nonsense"));
    expect([nonsense.status, await nonsense.json()]).toEqual([
      400,
      expect.objectContaining({ reason: "ARTIFACT_URI_INVALID" }),
    ]);
    const other = await fetch(at("/content"), { method: "DELETE" });
    expect([other.status, await other.json()]).toEqual([
      501,
      expect.objectContaining({
        reason: "ARTIFACT_REQUEST_UNKNOWN",
        message: expect.stringContaining(
          "There are GET /content/sha256-DIGEST and PUT /content/new?name=NAME",
        ),
      }),
    ]);
  });
});

describe("what is known of artifacts", () => {
  test("is found by words and conditions, page by page, newest first", async () => {
    const put = async (n: number, metadata: Record<string, string>) => {
      rig.clock.ms += 10;
      return (await client.put(Buffer.from(`found ${n}`), { name: `sample-${n}.vcf`, metadata })).uri;
    };
    const uris: string[] = [];
    for (let n = 1; n <= 5; n++)
      uris.push(await put(n, { study: "Phage therapy", reads: `${n * 1000}`, day: `2026-11-0${n}` }));
    const find = async (options: Parameters<Artifacts["search"]>[0]) => {
      const found = [];
      for await (const { uri } of client.search(options)) found.push(uris.indexOf(uri) + 1);
      return found;
    };
    expect(await find({ query: "phage" })).toEqual([5, 4, 3, 2, 1]);
    expect(await find({ query: "ther SAMPLE" })).toEqual([5, 4, 3, 2, 1]);
    expect(await find({ query: "phage", limit: 2 })).toEqual([5, 4]);
    expect(await find({ where: ["study=Phage therapy", "reads>=2000", "reads<4e3"] })).toEqual([3, 2]);
    expect(await find({ query: "phage", where: ["day>2026-11-03", "reads!=5000"] })).toEqual([4]);
    expect(await find({ query: "phages" })).toEqual([]);
    expect(await find({ query: "phage", owner: "bob" })).toEqual([]);
    await client.hold(uris[1] ?? "", "study:17");
    expect(await find({ holder: "study:17" })).toEqual([2]);
    await client.release("study:17");
    expect(await find({ holder: "study:17" })).toEqual([]);
    const pages = await rig.artifacts.search({
      query: "phage",
      where: [],
      owner: "",
      holder: "",
      sinceMs: 0,
      untilMs: 0,
      limit: 2,
      page: "",
    });
    expect(pages.artifacts.map(({ uri }) => uris.indexOf(uri) + 1)).toEqual([5, 4]);
    await expect(find({ where: ["no condition"] })).rejects.toMatchObject({
      reason: "ARTIFACT_SEARCH_INVALID",
      message: expect.stringContaining("is no condition; one is key=value"),
    });
  });

  test("is added to, with who and when, and tells all of it", async () => {
    const { uri } = await client.put(Buffer.from("annotated"), { name: "a.txt", metadata: { quality: "?" } });
    const said = await client.annotate(uri, { quality: "good", lab: "3" });
    expect(said.metadata).toEqual({ quality: "good", lab: "3" });
    await client.keep(uri, "forever");
    await client.remove(uri, "by mistake");
    const events = await client.history(uri);
    expect(events.map(({ what, by, facts }) => [what, by, facts])).toEqual([
      ["stored", "ada", { name: "a.txt", "media-type": "text/plain", quality: "?" }],
      ["annotated", "ada", { quality: "good", lab: "3" }],
      ["kept", "ada", { until: "for ever" }],
      ["removed", "ada", { reason: "by mistake" }],
    ]);
    await expect(client.show(uri)).rejects.toMatchObject({
      reason: "ARTIFACT_REMOVED",
      message: expect.stringContaining("by ada (by mistake)"),
    });
  });

  test.each([
    [{ name: "a/b" }, 'the name "a/b" cannot be a file\'s'],
    [{ metadata: { "no key": "x" } }, 'the key "no key" is none'],
    [{ metadata: { key: "x".repeat(1_001) } }, "the value of key has 1001 characters"],
    [{ mediaType: "text" }, '"text" is no media type'],
    [{ holder: "a b" }, 'the holder "a b" is none'],
  ])("is refused where it cannot be kept: %j", async (options, message) => {
    await expect(client.put(Buffer.from("x"), options)).rejects.toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "ARTIFACT_METADATA_INVALID",
      message: expect.stringContaining(message),
    });
  });

  test("is not for callers at the edge to change", async () => {
    const outside = artifacts({ target, http: http.address, headers: { "x-rouse-edge": "1" } });
    try {
      const { uri, owner } = await outside.put(Buffer.from("from outside"));
      expect(owner).toBe("outside");
      for (const change of [
        outside.remove(uri),
        outside.keep(uri, "forever"),
        outside.hold(uri, "x"),
        outside.annotate(uri, {}),
      ])
        await expect(change).rejects.toMatchObject({
          status: "PERMISSION_DENIED",
          reason: "ONLY_WITHIN_MESH",
          message: expect.stringContaining("not for callers at the edge"),
        });
    } finally {
      outside.close();
    }
  });
});
