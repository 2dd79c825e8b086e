import { credentials, Metadata, Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunState, RunsClient, RunsService } from "#proto/rouse/orders/v1/runs.ts";
import { EDGE_HEADER } from "../../mesh-config/resources/registry-routes.ts";
import type { MeshState } from "../../registry/state.ts";
import { listen, unary } from "../../sdk/grpc.ts";
import { Rights } from "../rights.ts";
import { PROVIDER_HEADER } from "../who.ts";
import { type RunsDeps, runsService } from "./service.ts";
import { EngineRig, SERVICE } from "./testing/rig.ts";

let rig: EngineRig;
let client: RunsClient;
let deps: RunsDeps;
const server = new Server();
const pinned: string[] = [];
beforeAll(async () => {
  rig = await EngineRig.start();
  const versions = ["1.0.0", "1.1.0"].map((version) => [
    version,
    { manifest: { methods: [{ name: "Play", durable: version !== "1.1.0" || undefined }] } },
  ]) as [string, unknown][];
  // The service looks at nothing else of it.
  const state = { services: new Map([[SERVICE, { versions: new Map(versions) }]]) } as unknown as MeshState;
  deps = {
    state: async () => state,
    pins: {
      during<T>(versions: readonly { readonly version: string }[], write: () => Promise<T>): Promise<T> {
        pinned.push(...versions.map(({ version }) => version));
        return write();
      },
    },
    rights: new Rights(undefined),
    opened: async () => rig,
  };
  server.addService(RunsService, runsService(deps));
  client = new RunsClient(await listen(server, "127.0.0.1:0"), credentials.createInsecure());
}, 60_000);
afterAll(async () => {
  client?.close();
  server.forceShutdown();
  await rig?.close();
}, 60_000);

const patience = { timeout: 60_000, interval: 20 };
const get = (id: string) => unary(client, "getRun", { id });
const retry = (id: string, from: number, version = "") => unary(client, "retryRun", { id, from, version });

test("a run is listed and told with its journal", async () => {
  const id = await rig.start({ steps: 2, sleepMs: 3_600_000 }, "sheep");
  await expect.poll(async () => (await get(id)).state, patience).toBe(RunState.SLEEPING);
  const run = await get(id);
  expect(run).toMatchObject({ key: "sheep", entries: 3, retries: 0, parent: "", trouble: "" });
  expect(run.wakesAtMs).toBeGreaterThan(Date.now());
  expect(run.journal.map(({ entry }) => [entry?.index, entry?.name, entry?.done])).toEqual([
    [0, "step 0", true],
    [1, "step 1", true],
    [2, "sleep", false],
  ]);
  const wanted = { service: SERVICE, version: "", state: RunState.SLEEPING, key: "sheep", limit: 0 };
  const { runs } = await unary(client, "listRuns", wanted);
  expect(runs.map(({ operation }) => operation?.id)).toEqual([id]);
  const none = await unary(client, "listRuns", { ...wanted, state: RunState.RUNNING });
  expect(none.runs).toEqual([]);
  await expect(retry(id, 0)).rejects.toMatchObject({
    reason: "RUN_NOT_ENDED",
    message: `A run that goes on cannot be retried; cancel it first, or wait until it ends: rouse runs cancel ${id}`,
  });
  const cancelled = await unary(client, "cancelRun", { id, reason: "no more sheep" });
  expect(cancelled).toMatchObject({
    state: RunState.CANCELLED,
    operation: { error: { message: "The run was cancelled: no more sheep." } },
  });
  await expect(unary(client, "answerRun", { id, name: "a", value: Buffer.alloc(0) })).rejects.toMatchObject({
    reason: "RUN_IS_OVER",
    message: `Run ${id} has ended and takes no answers any more.`,
  });
});

test("an ended run is retried, and what cannot be is refused", async () => {
  const id = await rig.start({ steps: 2 });
  await rig.ended(id);
  await expect(retry(id, 3)).rejects.toMatchObject({
    reason: "RUN_STEP_UNKNOWN",
    message: `Run ${id} has 2 steps in its journal, so that it cannot be retried from step 3. "rouse runs show ${id}" numbers them.`,
  });
  await expect(retry(id, 0, "1.1.0")).rejects.toMatchObject({
    reason: "RUN_VERSION_UNFIT",
    message: `Run ${id} cannot go on with ${SERVICE} 1.1.0: there Play is not durable. Choose a version that has it: --version`,
  });
  await expect(retry(id, 0, "9.0.0")).rejects.toMatchObject({
    message: `Run ${id} cannot go on with ${SERVICE} 9.0.0: the catalog has only 1.0.0, 1.1.0. Choose a version that has it: --version`,
  });
  expect(await retry(id, 1)).toMatchObject({ retries: 1 });
  await rig.ended(id);
  expect(pinned).toEqual(["1.0.0"]);
});

test("a run that is not there, and an answer without a name", async () => {
  await expect(get("nonsense")).rejects.toMatchObject({
    status: "NOT_FOUND",
    reason: "RUN_UNKNOWN",
    message:
      'There is no durable run "nonsense": it never was, or its time is over. "rouse runs" lists those there are.',
  });
  const id = await rig.start({ answer: "go" });
  await expect(unary(client, "answerRun", { id, name: "", value: Buffer.alloc(0) })).rejects.toMatchObject({
    reason: "RUN_ANSWER_INVALID",
    message: expect.stringContaining("An answer needs the name that the run waits for"),
  });
  await unary(client, "answerRun", { id, name: "go", value: Buffer.from("1") });
  expect(await rig.result(id)).toBe(1);
});

test("what runs have kept is told at the edge of a guarded mesh to the owner of the service alone", async () => {
  const id = await rig.start({ keep: "all" }, "guarded");
  await rig.ended(id);
  const owners = {
    ownerOf: async () => "anna",
    servicesOf: async (of: string) => (of === "anna" ? [SERVICE] : []),
  };
  const guarded = new Server();
  guarded.addService(RunsService, runsService({ ...deps, rights: new Rights(owners) }));
  const edge = new RunsClient(await listen(guarded, "127.0.0.1:0"), credentials.createInsecure());
  try {
    const keysFor = async (headers: Record<string, string>) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const wanted = { service: SERVICE, key: "guarded", limit: 0 };
      return (await unary(edge, "listKept", wanted, { metadata })).kept.map(({ name, run }) => [name, run]);
    };
    const by = (provider: string) => keysFor({ [EDGE_HEADER]: "1", [PROVIDER_HEADER]: provider });
    expect(await by("anna")).toEqual([["last", id]]);
    expect(await by("administrator")).toEqual([["last", id]]);
    expect(await by("bert")).toEqual([]);
    expect(await keysFor({ [EDGE_HEADER]: "1" })).toEqual([]);
    expect(await keysFor({})).toEqual([["last", id]]);
  } finally {
    edge.close();
    guarded.forceShutdown();
  }
});
