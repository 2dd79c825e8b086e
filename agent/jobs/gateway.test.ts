import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { type JobError, JobSpec } from "#proto/rouse/agent/v1/jobs.ts";
import { RouseError } from "../../sdk/errors.ts";
import { GatewayClient } from "../../sdk/server/job/gateway-client.ts";
import { MisbehaveRequest, MisbehaveResponse } from "../../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { failure } from "../testing/rig.ts";
import { ArtifactClient } from "./artifact-client.ts";
import { Gateway, type JobVoice } from "./gateway.ts";
import { checkJob } from "./spec.ts";

const program = join(import.meta.dirname, "../../test/fixtures/jobs/src/main.ts");

interface Told {
  progress: unknown[];
  notes: Record<string, string>;
  result?: { readonly bytes: Buffer } | { readonly json: string };
  error?: JobError;
  written: number;
}

/** A gateway for a job that nobody runs, and what it was told. */
async function serve(method = "Misbehave", how = "connect") {
  const folder = await mkdtemp(join(tmpdir(), "rouse-gateway-"));
  const told: Told = { progress: [], notes: {}, written: 0 };
  const spec = checkJob(
    JobSpec.fromPartial({
      program: InstanceSpec.fromPartial({
        service: "jobs.v1.JobsService",
        version: "1.0.0",
        image: "none",
        cpu: 1,
        memoryBytes: 2 ** 26,
      }),
      method,
      request: Buffer.from(MisbehaveRequest.encode({ how, targets: [] }).finish()),
      requestJson: '{"how": "connect"}',
      metadata: { sample: "17" },
    }),
  );
  const voice: JobVoice = {
    id: "one",
    spec,
    deadlineMs: Date.now() + 60_000,
    outputs: [],
    get writtenBytes() {
      return told.written;
    },
    get metadata() {
      return told.notes;
    },
    progress: (fraction, note) => told.progress.push([fraction, note]),
    note: (notes) => Object.assign(told.notes, notes),
    output: () => undefined,
    result: async (result) => {
      told.result = result;
    },
    failed: async (error) => {
      told.error = error;
    },
    stumbled: () => undefined,
    streamed: () => undefined,
    streaming: () => undefined,
    moved: ({ written = 0 }) => {
      told.written += written;
    },
  };
  const artifacts = new ArtifactClient(() => Promise.reject(new Error("nobody asks for them here")));
  const gateway = new Gateway(voice, artifacts);
  await gateway.listen(folder);
  onTestFinished(async () => {
    gateway.close();
    await rm(folder, { recursive: true, force: true });
  });
  const socket = join(folder, "job.sock");
  const client = new GatewayClient(socket);
  const post = (path: string, body: string, type = "application/json") =>
    client.bytes({ method: "POST", path, headers: { "content-type": type }, body });
  return { told, socket, client, post };
}

/** The fixture's program, as a job's container would run it. */
async function run(socket: string): Promise<{ code: number; output: string }> {
  const env = { ...process.env, ROUSE_JOB: `unix:${socket}` };
  const child = spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const [code] = await once(child, "close");
  return { code, output };
}

test("a job is told what it is, and its words arrive", async () => {
  const { client, post, told } = await serve();
  expect(await client.json({ method: "GET", path: "/v1/job" })).toMatchObject({
    id: "one",
    method: "Misbehave",
    metadata: { sample: "17" },
    request: { how: "connect" },
  });
  await post("/v1/progress", '{"fraction": 0.25, "note": "a quarter"}');
  await post("/v1/metadata", '{"lanes": "4"}');
  expect(await client.json({ method: "GET", path: "/v1/metadata" })).toEqual({ sample: "17", lanes: "4" });
  await post("/v1/result", "bytes", "application/protobuf");
  expect(told).toMatchObject({ progress: [[0.25, "a quarter"]], notes: { lanes: "4" } });
  expect(told.result).toEqual({ bytes: Buffer.from("bytes") });
  await post("/v1/result", '{"a": 1}');
  expect(told.result).toEqual({ json: '{"a": 1}' });
});

test.each<[path: string, body: string, reason: string, message: string]>([
  [
    "/v1/progress",
    '{"fraction": 2}',
    "JOB_REQUEST_INVALID",
    "The job's request is refused: fraction: Too big: expected number to be <=1.",
  ],
  ["/v1/progress", "{", "JOB_REQUEST_INVALID", "The job's request is refused: the body is not JSON ("],
  [
    "/v1/metadata",
    '{"a b": "c"}',
    "JOB_REQUEST_INVALID",
    'a key has 1 to 64 letters, digits, ".", "_" and "-", and a letter or digit first',
  ],
  ["/v1/metadata", `{"a": "${"b".repeat(70_000)}"}`, "JOB_REQUEST_INVALID", "the body has more than 64 KiB"],
  ["/v1/result", "no JSON", "JOB_REQUEST_INVALID", "the result is not JSON ("],
  [
    "/v1/result",
    `"${"a".repeat(17 * 2 ** 20)}"`,
    "RESULT_TOO_LARGE",
    "The result has more than 16 MiB. Put what is large out as an output (PUT /v1/outputs/NAME), and answer its URI.",
  ],
  [
    "/v1/error",
    '{"message": "a", "reason": "not upper"}',
    "JOB_REQUEST_INVALID",
    "reason is upper snake case, such as SAMPLE_EMPTY",
  ],
])("what is wrong is told: POST %s %#", async (path, body, reason, message) => {
  const { post } = await serve();
  const error = await failure(post(path, body));
  expect(error.reason).toBe(reason);
  expect(error.message).toContain(message);
});

test("names of outputs, inputs and artifacts are checked", async () => {
  const { client } = await serve();
  const put = client.bytes({ method: "PUT", path: "/v1/outputs/..%2Fescape", body: "a" });
  expect((await failure(put)).message).toContain('"../escape" is no name of an output');
  const get = client.bytes({ method: "GET", path: "/v1/inputs/reads" });
  expect(await failure(get)).toMatchObject({
    status: "NOT_FOUND",
    message: 'This job has no input "reads". It has none; name it in the order.',
  });
  const uri = `artifact:sha256-${"a".repeat(64)}`;
  const foreign = client.bytes({ method: "GET", path: `/v1/artifacts/${encodeURIComponent(uri)}` });
  expect(await failure(foreign)).toMatchObject({
    status: "PERMISSION_DENIED",
    reason: "JOB_ARTIFACT_FOREIGN",
    message: `"${uri}" is neither an input of this job nor an output of its own. Name it among the order's inputs.`,
  });
});

test("a socket whose path is too long is refused", async () => {
  const folder = join(await mkdtemp(join(tmpdir(), "rouse-gateway-")), "x".repeat(120));
  const voice = {} as JobVoice;
  const gateway = new Gateway(voice, new ArtifactClient(() => Promise.reject(new Error("no"))));
  const error = await failure(gateway.listen(folder));
  expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "JOB_SOCKET_UNUSABLE" });
  expect(error.message).toContain(
    "its path is longer than 107 bytes. Choose a data folder with a shorter path",
  );
  rmSync(join(folder, ".."), { recursive: true });
  expect(existsSync(folder)).toBe(false);
});

test("a generated server runs the one job that it is started for, and ends", async () => {
  const { told, socket } = await serve("Misbehave", "identity");
  expect(await run(socket)).toMatchObject({ code: 0 });
  const bytes = told.result !== undefined && "bytes" in told.result ? told.result.bytes : Buffer.alloc(0);
  expect(Object.keys(MisbehaveResponse.decode(bytes).found)).toContain("environment");
});

test("it tells an error of its own, and one line of it", async () => {
  const { told, socket } = await serve("Misbehave", "refuse");
  const { code, output } = await run(socket);
  expect(code).toBe(1);
  expect(output).toBe("There is no such chromosome. (CHROMOSOME_UNKNOWN)\n");
  expect(told.error).toMatchObject({ code: 11, reason: "CHROMOSOME_UNKNOWN" });
});

test("a job that the program does not have is told", async () => {
  const { told, socket } = await serve("Ping");
  expect((await run(socket)).code).toBe(1);
  expect(told.error).toMatchObject({
    code: 9,
    reason: "JOB_METHOD_UNKNOWN",
    message:
      "The order is for Ping, which the program's own jobs.v1.JobsService 1.0.0 does not have as a job. Register the version again with the program that belongs to its contract.",
  });
});

test("a host that stays away is told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-gateway-"));
  const socket = join(folder, "job.sock");
  const server = createServer((connection) => connection.once("data", () => connection.destroy()));
  server.listen(socket);
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const client = new GatewayClient(socket, 0);
  for (const asked of [
    client.bytes({ method: "PUT", path: "/v1/outputs/a", body: "begun" }),
    client.download("/v1/inputs/a"),
  ]) {
    const error = await failure(asked);
    expect(error).toBeInstanceOf(RouseError);
    expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "JOB_GATEWAY_LOST" });
    expect(error.message).toMatch(
      /^The host of this job does not answer on its socket \(.+\)\. Order the job again; with job\.retries in the contract it is tried again by itself\.$/,
    );
  }
});

test.each<[query: string, why: string]>([
  ["upload=a%20b&offset=0", 'upload: up to 64 letters, digits, "-" and "_"'],
  ["upload=a&offset=-1", "offset: Too small: expected number to be >=0"],
  ["offset=1", "upload: Invalid input: expected string, received undefined"],
  ["upload=a&offset=0&more=1", ': Unrecognized key: "more"'],
])("a piece of an output that is none is refused: %s", async (query, why) => {
  const { client } = await serve();
  const put = client.bytes({ method: "PUT", path: `/v1/outputs/a?${query}`, body: "a" });
  expect(await failure(put)).toMatchObject({
    reason: "JOB_REQUEST_INVALID",
    message: `The job's request is refused: ${why}.`,
  });
});

test("a piece of an output that is not stored is not counted", async () => {
  const { client, told } = await serve();
  const put = client.bytes({ method: "PUT", path: "/v1/outputs/a?upload=a&offset=0", body: "gattaca" });
  expect((await failure(put)).message).toContain("nobody asks for them here");
  expect(told.written).toBe(0);
});

test("a piece of an output that is too large is refused", async () => {
  const { client } = await serve();
  const body = Buffer.alloc(16 * 2 ** 20 + 1);
  const put = client.bytes({ method: "PUT", path: "/v1/outputs/a?upload=a&offset=0", body });
  expect((await failure(put)).message).toBe(
    "The job's request is refused: a piece of an output has 16 MiB at most.",
  );
});
