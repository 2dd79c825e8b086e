import { once } from "node:events";
import { constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { type Client, credentials, Metadata, makeGenericClientConstructor, Server } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { answer } from "./answer.ts";
import { RouseError } from "./errors.ts";
import { callError, listen, unary } from "./grpc.ts";

const bytes = (value: Buffer) => value;
const ask = {
  path: "/a.B/Ask",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const;

/** A client as ts-proto types it. */
interface AskClient extends Client {
  ask(
    request: Buffer,
    metadata: Metadata,
    options: { deadline?: Date | number },
    callback: (error: import("@grpc/grpc-js").ServiceError | null, response: Buffer) => void,
  ): import("@grpc/grpc-js").ClientUnaryCall;
}

async function start(handler: (request: Buffer) => Promise<Buffer>): Promise<AskClient> {
  const server = new Server();
  server.addService({ ask }, { ask: answer(handler) });
  const address = await listen(server, "127.0.0.1:0");
  expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  const client = new (makeGenericClientConstructor({ ask }, "B"))(address, credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    server.forceShutdown();
  });
  return client as unknown as AskClient;
}

test("unary calls of the mesh's own APIs", async () => {
  const client = await start(async (request) => Buffer.concat([request, request]));
  expect((await unary(client, "ask", Buffer.from("ab"))).toString()).toBe("abab");
});

test("their errors are RouseErrors with all that the server sent", async () => {
  const client = await start(async () => {
    throw new RouseError("ABORTED", "Somebody else was faster.", {
      reason: "CONFLICT",
      metadata: { key: "a" },
    });
  });
  await expect(unary(client, "ask", Buffer.from("x"))).rejects.toMatchObject({
    name: "RouseError",
    status: "ABORTED",
    message: "Somebody else was faster.",
    reason: "CONFLICT",
    metadata: { key: "a" },
  });
});

test("deadline and cancellation", async () => {
  const client = await start(() => new Promise(() => {}));
  const request = Buffer.from("x");
  await expect(unary(client, "ask", request, { deadlineMs: 20 })).rejects.toMatchObject({
    status: "DEADLINE_EXCEEDED",
  });
  const controller = new AbortController();
  const call = unary(client, "ask", request, { signal: controller.signal });
  controller.abort();
  await expect(call).rejects.toMatchObject({ status: "CANCELLED" });
  await expect(unary(client, "ask", request, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    status: "CANCELLED",
  });
});

test("anything else that was thrown becomes an INTERNAL RouseError", () => {
  expect(callError(new Error("boom"))).toMatchObject({ status: "INTERNAL", message: "boom" });
  expect(callError("boom")).toMatchObject({ status: "INTERNAL", message: "boom" });
  const own = new RouseError("NOT_FOUND", "no");
  expect(callError(own)).toBe(own);
});

test("an address in use, and one that is none", async () => {
  const server = new Server();
  const address = await listen(server, "127.0.0.1:0");
  onTestFinished(() => server.forceShutdown());
  await expect(listen(new Server(), address)).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "ADDRESS_IN_USE",
    message: `${address} is in use by another program. Stop that program, or choose another address.`,
  });
  await expect(listen(new Server(), "unix:/no/such/folder/a.sock")).rejects.toMatchObject({
    status: "INVALID_ARGUMENT",
    reason: "ADDRESS_UNUSABLE",
  });
});

test("a proxy's reset at the deadline is told as what it is, an earlier one is not", async () => {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    setTimeout(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR), 20);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = new (makeGenericClientConstructor({ ask }, "B"))(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  ) as unknown as AskClient;
  onTestFinished(() => {
    client.close();
    server.close();
  });
  const error: unknown = await new Promise((resolve) => {
    client.ask(Buffer.from("x"), new Metadata(), {}, resolve);
  });
  expect(callError(error)).toMatchObject({ status: "INTERNAL" });
  expect(callError(error, Date.now() + 1_000)).toMatchObject({ status: "INTERNAL" });
  expect(callError(error, Date.now())).toMatchObject({ status: "DEADLINE_EXCEEDED" });
});
