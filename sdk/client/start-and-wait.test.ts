import { type Metadata, Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Operation,
  OperationState,
  type OperationsServer,
  OperationsService,
} from "#proto/rouse/orders/v1/operations.ts";
import { createLedgerServiceClient } from "../../test/fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { answer, statusObject } from "../answer.ts";
import { RouseError } from "../errors.ts";
import { listen } from "../grpc.ts";

const server = new Server();
const seen: [string, Metadata][] = [];
let target: string;
beforeAll(async () => {
  const run = { id: "1", service: "ledger.v1.LedgerService", version: "1.0.0", method: "Book" };
  const operations: Partial<OperationsServer> = {
    startOperation: answer(async (_, metadata) => {
      seen.push(["start", metadata]);
      return Operation.fromPartial({ ...run, state: OperationState.RUNNING });
    }),
    waitOperation: answer(async (_, metadata) => {
      seen.push(["wait", metadata]);
      return Operation.fromPartial({ ...run, state: OperationState.SUCCEEDED, endedAtMs: 1 });
    }),
  };
  const other = (_: unknown, callback: (error: ReturnType<typeof statusObject>) => void) =>
    callback(statusObject(new RouseError("UNIMPLEMENTED", "Nobody asks for it.")));
  const names = Object.keys(OperationsService);
  const rest = Object.fromEntries(names.map((name) => [name, other]));
  server.addService(OperationsService, { ...rest, ...operations } as OperationsServer);
  target = await listen(server, "127.0.0.1:0");
});
afterAll(() => server.forceShutdown());

test("a plain call of a durable method starts and awaits its run with the key that it brings", async () => {
  using ledger = createLedgerServiceClient({ target });
  const request = { entries: 0, first: 0, restMs: 0, entryMs: 0, fail: "", bytes: 0, approval: "" };
  await ledger.book(request, { metadata: { Authorization: "Bearer rouse_anna", "x-lab": "7" } });
  const told = seen.map(([what, metadata]) => [what, metadata.get("authorization"), metadata.get("x-lab")]);
  expect(told).toEqual([
    ["start", ["Bearer rouse_anna"], []],
    ["wait", ["Bearer rouse_anna"], []],
  ]);
  seen.length = 0;
  await ledger.book(request);
  expect(seen.map(([what, metadata]) => [what, metadata.get("authorization")])).toEqual([
    ["start", []],
    ["wait", []],
  ]);
});
