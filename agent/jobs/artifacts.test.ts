import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { Client } from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { ArtifactsClient } from "#proto/rouse/orders/v1/artifacts.ts";
import { type RunningOrders, startOrders } from "../../orders/server.ts";
import { unary } from "../../sdk/grpc.ts";
import { CopyRequest, CopyResponse } from "../../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { findEngine, removeBundleImage } from "../testing/docker.ts";
import { failure, until } from "../testing/rig.ts";
import { ArtifactClient } from "./artifact-client.ts";
import { Pieces } from "./pieces.ts";
import { type JobRig, startJobRig } from "./testing/rig.ts";

const { engine, missing } = await findEngine();

/** Chunks of text, some mebibytes in all. */
async function* large(): AsyncGenerator<Buffer> {
  for (let at = 0; at < 80; at++) yield Buffer.alloc(150_000, "gattaca");
}
const LARGE = 80 * 150_000;

describe.skipIf(missing !== "")(`artifacts of jobs${missing && ` (skipped: ${missing})`}`, () => {
  let rig: JobRig;
  let orders: RunningOrders;
  let artifacts: ArtifactClient;
  const begin = (listen: string) =>
    startOrders({
      listen,
      consul: rig.rig.consul.address,
      mesh: "127.0.0.1:1",
      dataDir: join(rig.rig.dataDir, "orders"),
      log: pino({ level: "silent" }),
    });
  beforeAll(async () => {
    rig = await startJobRig({ cpu: 4, memoryBytes: 4 * 2 ** 30 });
    orders = await begin("127.0.0.1:0");
    artifacts = new ArtifactClient(async () => orders.address);
  });
  afterAll(async () => {
    artifacts?.close();
    await orders?.close();
    await rig?.close();
    if (rig !== undefined) await removeBundleImage(engine, rig.bundle.digest);
  });

  const put = (name: string, content: AsyncIterable<Buffer>) =>
    artifacts.write(content, { name, mediaType: "text/plain", metadata: {}, holder: "", owner: "tests" });
  const get = async (uri: string) => {
    const chunks: Buffer[] = [];
    for await (const chunk of artifacts.read(uri, 0, new AbortController().signal)) chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
  };
  async function* of(text: string) {
    yield Buffer.from(text);
  }
  const copy = (inputs: Record<string, string>) =>
    rig.spec("Copy", CopyRequest.encode({ prefix: "> " }).finish(), {
      inputs,
      metadata: { who: "the tests" },
      holder: "order:17",
    });

  test("inputs come in and outputs are kept, with who made them and for whom", async () => {
    const [small, big] = [await put("small.txt", of("acgt\n")), await put("big.txt", large())];
    const job = await rig.done("copies", copy({ small: small.uri, big: big.uri }));
    expect(job.error).toBeUndefined();
    expect(job).toMatchObject({
      state: JobState.SUCCEEDED,
      metadata: { copied: "2" },
      progress: { fraction: 1 },
      used: { readBytes: 5 + LARGE, writtenBytes: 5 + LARGE + 4 },
    });
    const { bytes, outputs } = CopyResponse.decode(job.result ?? Buffer.alloc(0));
    expect(bytes).toBe(BigInt(5 + LARGE + 4));
    expect(outputs).toEqual(Object.fromEntries(job.outputs.map(({ name, uri }) => [name, uri])));
    expect(job.outputs.map(({ name, mediaType }) => [name, mediaType]).sort()).toEqual([
      ["big", "text/plain"],
      ["small", "text/plain"],
    ]);
    expect(await get(outputs.small ?? "")).toBe("> ACGT\n");
    const text = await get(outputs.big ?? "");
    expect(text.length).toBe(LARGE + 2);
    expect(text.slice(0, 16)).toBe("> GATTACAGATTACA");
    const stub = new ArtifactsClient(orders.address, credentials.createInsecure());
    const found = await unary(stub, "getArtifact", { uri: outputs.small ?? "" });
    stub.close();
    expect(found).toMatchObject({
      name: "small",
      owner: "jobs.v1.JobsService",
      holders: ["order:17"],
      metadata: { service: "jobs.v1.JobsService", version: "1.0.0", method: "Copy", job: "copies" },
    });
  });

  test("an input that never was is told as the job's error", async () => {
    const uri = `artifact:sha256-${"0".repeat(64)}`;
    const job = await rig.done("lacks", copy({ lost: uri }));
    expect(job).toMatchObject({ state: JobState.FAILED, error: { reason: "ARTIFACT_UNKNOWN", code: 5 } });
    expect(job.error?.message).toContain(uri);
  });

  const made = { name: "grown", mediaType: "text/plain", metadata: {}, holder: "", owner: "tests" };
  const anew = async () => {
    const { address } = orders;
    await orders.close();
    orders = await begin(address);
  };

  test("a content goes on when orders are started anew in the midst of it", async () => {
    async function* content() {
      yield Buffer.alloc(6 * 2 ** 20, "before ");
      await anew();
      yield Buffer.from("after");
    }
    const { uri, bytes } = await artifacts.write(content(), made);
    expect(bytes).toBe(6 * 2 ** 20 + 5);
    expect((await get(uri)).slice(-8)).toBe("befafter");
  });

  test("an output grows by pieces: one may come twice, none may be missing, and the next agent goes on", async () => {
    const [first, last] = [Buffer.from("gattaca "), Buffer.from("acgt")];
    const sha256 = createHash("sha256").update(first).update(last).digest("hex");
    const piece = { upload: "a", offset: 0, bytes: first, sha256: "" };
    const end = { upload: "a", offset: 8, bytes: last, sha256 };
    const before = new Pieces("grows", artifacts);
    expect(await before.add(piece, made)).toEqual({ stored: 8, added: 8, uri: "" });
    expect(await before.add(piece, made)).toEqual({ stored: 8, added: 0, uri: "" });
    expect(await failure(before.add({ ...piece, offset: 9 }, made))).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "JOB_REQUEST_INVALID",
      message:
        "The job's request is refused: the upload a has 8 bytes, and the piece begins at 9. Send what comes between first.",
    });
    const after = new Pieces("grows", artifacts);
    const answer = await after.add(end, made);
    expect(answer).toMatchObject({ stored: 12, added: 4, uri: expect.stringContaining(sha256) });
    expect(await get(answer.uri)).toBe("gattaca acgt");
    expect(await after.add(end, made)).toEqual({ ...answer, added: 0 });
  });

  test("an output whose digest is wrong can be sent again from its beginning", async () => {
    const pieces = new Pieces("wrong", artifacts);
    const bytes = Buffer.from("gattaca ");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const last = { upload: "a", offset: 4, bytes: bytes.subarray(4), sha256 };
    await pieces.add({ upload: "a", offset: 0, bytes: Buffer.from("atta"), sha256: "" }, made);
    expect(await failure(pieces.add(last, made))).toMatchObject({ reason: "ARTIFACT_DIGEST_WRONG" });
    await pieces.add({ upload: "a", offset: 0, bytes: bytes.subarray(0, 4), sha256: "" }, made);
    const { uri } = await pieces.add(last, made);
    expect(await get(uri)).toBe("gattaca ");
  });

  test("pieces that are refused take no place of outputs that grow", async () => {
    const pieces = new Pieces("odd", artifacts);
    const add = (name: string, offset: number) =>
      pieces.add({ upload: "a", offset, bytes: Buffer.from("a"), sha256: "" }, { ...made, name });
    try {
      for (let count = 0; count < 64; count++)
        expect((await failure(add(`odd-${count}`, 5))).message).toContain(
          "the upload a has 0 bytes, and the piece begins at 5",
        );
      expect(await add("good", 0)).toMatchObject({ stored: 1 });
    } finally {
      await pieces.abandon();
    }
  });

  test("what has grown by half is given up with its job, and only so many may grow", async () => {
    const stub = new ArtifactsClient(orders.address, credentials.createInsecure());
    const begun: string[] = [];
    class Watched extends ArtifactClient {
      override begin(id: string, one: typeof made) {
        begun.push(id);
        return super.begin(id, one);
      }
    }
    const watched = new Watched(async () => orders.address);
    const pieces = new Pieces("many", watched);
    const add = (name: string, upload = "a") =>
      pieces.add({ upload, offset: 0, bytes: Buffer.from("a"), sha256: "" }, { ...made, name });
    try {
      for (let count = 0; count < 64; count++) await add(`one-${count}`);
      expect((await failure(add("more"))).message).toBe(
        "The job's request is refused: 64 outputs at most may grow at one time. End one of them first.",
      );
      expect(await unary(stub, "getUpload", { id: begun[0] ?? "" })).toMatchObject({ offset: 1 });
      // One that is begun anew takes the place of what grew under its name.
      expect(await add("one-0", "b")).toMatchObject({ stored: 1 });
      expect(await failure(unary(stub, "getUpload", { id: begun[0] ?? "" }))).toMatchObject({
        reason: "UPLOAD_UNKNOWN",
      });
      expect(await unary(stub, "getUpload", { id: begun[64] ?? "" })).toMatchObject({ offset: 1 });
      await pieces.abandon();
      expect(begun).toHaveLength(65);
      for (const id of begun)
        expect(await failure(unary(stub, "getUpload", { id }))).toMatchObject({ reason: "UPLOAD_UNKNOWN" });
    } finally {
      stub.close();
      watched.close();
    }
  });

  test("what a job puts out is bounded, whole or in pieces", async () => {
    for (const how of ["grow", "output"]) {
      const job = await rig.done(
        `much-${how}`,
        rig.misbehaves(how, ["8000000"], { outputBytes: 7 * 2 ** 20 }),
      );
      expect(job).toMatchObject({
        state: JobState.FAILED,
        outputs: [],
        error: { code: 8, hostFault: false },
      });
      expect(job.error).toMatchObject({
        reason: "JOB_OUTPUTS_FULL",
        message:
          "Misbehave of jobs.v1.JobsService 1.0.0 puts out more than the 7 MiB that it may. Raise job.outputs in the contract, or let it put out less.",
      });
      expect(job.used?.writtenBytes).toBeLessThanOrEqual(7 * 2 ** 20);
    }
  });

  test("what a job put out in another way after all is not told of its later failure", async () => {
    const much = rig.misbehaves("lessen", ["8000000"], { outputBytes: 7 * 2 ** 20 });
    expect(await rig.done("lessens", much)).toMatchObject({
      state: JobState.FAILED,
      outputs: [{ name: "much", bytes: 0 }],
      error: { reason: "HANDLER_FAILED" },
    });
  });

  test("nothing is left of an output that a job was killed in the midst of", async () => {
    const folder = encodeURIComponent(join(rig.rig.dataDir, "orders/postgres"));
    const database = new Client(`postgresql://rouse@localhost:5432/postgres?host=${folder}`);
    await database.connect();
    const uploads = async (id: string) => {
      const found = await database.query(
        "SELECT id FROM rouse_orders.artifact_uploads WHERE digest IS NULL AND metadata->>'job' = $1",
        [id],
      );
      return found.rowCount ?? 0;
    };
    try {
      for (const how of ["plain", "grow"]) {
        await rig.run(how, rig.misbehaves(how));
        await until(`${how} is in the midst of it`, async () => (await uploads(how)) === 1);
        await unary(rig.client, "stopJob", { jobId: how, graceMs: 1, reason: "" });
        expect((await rig.ended(how)).outputs).toEqual([]);
        await until(`nothing is left of ${how}`, async () => (await uploads(how)) === 0);
      }
    } finally {
      await database.end();
    }
  });

  test("one that outlives its agent in the midst of a stream is told by its own word when it fails later", async () => {
    const { uri } = await put("cut.txt", large());
    await rig.run("recovers", rig.misbehaves("recover", [], { inputs: { reads: uri } }));
    await rig.when("recovers", ({ progress }) => progress?.note === "waits");
    const streams = join(rig.rig.dataDir, "agent", "jobs", "recovers", "streams");
    expect(existsSync(streams)).toBe(true);
    await rig.restart();
    const { error, used } = await rig.ended("recovers");
    expect(error).toMatchObject({ reason: "HANDLER_FAILED", hostFault: false });
    expect(used?.readBytes).toBeGreaterThan(LARGE / 2);
    expect(existsSync(streams)).toBe(false);
  });

  test("a job waits while orders are away", async () => {
    const { uri } = await put("patient.txt", of("patience\n"));
    const { address } = orders;
    await orders.close();
    await rig.run("waits", copy({ patient: uri }));
    await rig.when("waits", ({ state }) => state === JobState.RUNNING);
    orders = await begin(address);
    const job = await rig.ended("waits");
    expect(job.error).toBeUndefined();
    expect(await get(job.outputs[0]?.uri ?? "")).toBe("> PATIENCE\n");
  });
});
