import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata, Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  OperationsClient,
  OperationsService,
  StartOperationRequest,
} from "#proto/rouse/orders/v1/operations.ts";
import { EDGE_HEADER } from "../../mesh-config/resources/registry-routes.ts";
import type { MeshState } from "../../registry/state.ts";
import { listen, unary } from "../../sdk/grpc.ts";
import { Changes } from "../database/changes.ts";
import { type OrdersDatabase, openDatabase } from "../database/connect.ts";
import { PARTS } from "../parts.ts";
import { Rights } from "../rights.ts";
import { LocalRuns } from "../runs/local-runs.ts";
import { PROVIDER_HEADER } from "../who.ts";
import { OPERATIONS_CHANNEL } from "./runner.ts";
import { operationsService } from "./service.ts";
import { OperationStore } from "./store.ts";

const SERVICE = "a.v1.A";
const log = pino({ level: "silent" });
const folder = mkdtempSync(join(tmpdir(), "rouse-operations-"));
const server = new Server();
let database: OrdersDatabase;
let changes: Changes;
let client: OperationsClient;
beforeAll(async () => {
  database = await openDatabase({ url: undefined, folder, parts: PARTS, log });
  changes = new Changes(database.url, [OPERATIONS_CHANNEL], log);
  await changes.start();
  const store = new OperationStore(database.pool);
  const methods = [{ name: "Do", mode: "both", idempotency: "unknown", deadlineMs: 60_000 }];
  const manifest = { methods, exposure: "external", startTimeoutMs: 1_000 };
  // The service looks at nothing else of it.
  const known = { tags: new Map(), versions: new Map([["1.0.0", { manifest }]]) };
  const state = { services: new Map([[SERVICE, known]]) } as unknown as MeshState;
  const service = operationsService({
    state: async () => state,
    pins: { during: (_, write) => write() },
    localRuns: new LocalRuns(),
    rights: new Rights({ ownerOf: async () => undefined, servicesOf: async () => [] }),
    opened: async () => ({ store, changes }),
  });
  server.addService(OperationsService, service);
  client = new OperationsClient(await listen(server, "127.0.0.1:0"), credentials.createInsecure());
});
afterAll(async () => {
  client?.close();
  server.forceShutdown();
  await changes?.close();
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** @param provider undefined: from within the mesh; empty: at the edge without a key. */
function by(provider: string | undefined): { metadata: Metadata } {
  const metadata = new Metadata();
  if (provider !== undefined) metadata.set(EDGE_HEADER, "1");
  if (provider) metadata.set(PROVIDER_HEADER, provider);
  return { metadata };
}
const start = (provider: string | undefined, idempotencyKey: string, request = "") =>
  unary(
    client,
    "startOperation",
    StartOperationRequest.fromPartial({
      service: SERVICE,
      version: "1.0.0",
      method: "Do",
      request: Buffer.from(request),
      idempotencyKey,
    }),
    by(provider),
  );
const notYours = { status: "PERMISSION_DENIED", reason: "NOT_YOUR_WORK" };

test("who guesses an idempotency key learns nothing of the operation that has it", async () => {
  const { id } = await start("anna", "guessed");
  for (const request of ["", "other"])
    for (const other of ["bert", ""])
      await expect(start(other, "guessed", request)).rejects.toMatchObject({
        ...notYours,
        message: expect.stringContaining("was asked for with a provider's key"),
      });
  expect((await start("anna", "guessed")).id).toBe(id);
  await expect(start("anna", "guessed", "other")).rejects.toMatchObject({
    reason: "IDEMPOTENCY_KEY_REUSED",
    metadata: { operation: id },
  });
});

test("how far an operation is, others at the edge cannot say, and who does it within the mesh can", async () => {
  const { id } = await start("anna", "");
  const report = (fraction: number, provider: string | undefined) =>
    unary(client, "reportProgress", { id, progress: { fraction, note: "" } }, by(provider));
  for (const other of ["bert", ""]) await expect(report(0.1, other)).rejects.toMatchObject(notYours);
  expect((await unary(client, "getOperation", { id })).progress).toBeUndefined();
  await report(0.5, undefined);
  expect((await unary(client, "getOperation", { id })).progress).toEqual({ fraction: 0.5, note: "" });
  await report(0.75, "anna");
  expect((await unary(client, "getOperation", { id })).progress).toEqual({ fraction: 0.75, note: "" });
});
