import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobState } from "#proto/rouse/agent/v1/jobs.ts";
import { ArtifactsClient } from "#proto/rouse/orders/v1/artifacts.ts";
import { type RunningOrders, startOrders } from "../../orders/server.ts";
import { unary } from "../../sdk/grpc.ts";
import { CopyRequest, CopyResponse } from "../../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { findEngine, removeBundleImage } from "../testing/docker.ts";
import { ArtifactClient } from "./artifact-client.ts";
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
