import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RouseError } from "../sdk/errors.ts";
import { callError } from "../sdk/grpc.ts";
import { type Explainer, startExplainer } from "./explainer.ts";
import { details, percentEncode, shortened } from "./resources/answer.ts";
import { EXPLAIN_DETAILS, EXPLAIN_MESSAGE, EXPLAIN_STATUS } from "./resources/clusters.ts";

let explainer: Explainer;
let client: Client;
beforeEach(async () => {
  explainer = await startExplainer("127.0.0.1");
  client = new Client(explainer.address, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await explainer.close();
});

const raw = (value: Buffer) => value;

function headers(error: RouseError): Metadata {
  const metadata = new Metadata();
  metadata.set(EXPLAIN_STATUS, String(error.code));
  metadata.set(EXPLAIN_MESSAGE, percentEncode(error.message));
  metadata.set(EXPLAIN_DETAILS, details(error));
  return metadata;
}

const error = new RouseError("RESOURCE_EXHAUSTED", "Zürich: 100 % taken\nby others", {
  reason: "START_FAILED",
});

test.each(["unary", "client stream", "server stream", "bidi"])("ends a call of shape %s", async (shape) => {
  const metadata = headers(error);
  const body = Buffer.alloc(1 << 20);
  const thrown = await new Promise<Error>((resolve) => {
    const ended = (failure: Error | null) => failure && resolve(failure);
    if (shape === "unary") client.makeUnaryRequest("/a.B/C", raw, raw, body, metadata, ended);
    else if (shape === "client stream") {
      const call = client.makeClientStreamRequest("/a.B/C", raw, raw, metadata, ended);
      for (let i = 0; i < 8; i++) call.write(body);
    } else if (shape === "bidi") {
      const call = client.makeBidiStreamRequest("/a.B/C", raw, raw, metadata);
      call.on("data", () => undefined).on("error", resolve);
      call.write(body);
    } else {
      const call = client.makeServerStreamRequest("/a.B/C", raw, raw, body, metadata);
      call.on("data", () => undefined).on("error", resolve);
    }
  });
  expect(callError(thrown)).toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    message: error.message,
    reason: "START_FAILED",
  });
});

test("without a word it is UNAVAILABLE", async () => {
  const thrown = await new Promise((resolve) => {
    client.makeUnaryRequest("/a.B/C", raw, raw, Buffer.alloc(1), resolve);
  });
  expect(thrown).toMatchObject({ code: status.UNAVAILABLE, details: "The mesh does not say why." });
});

test("a message too long for a header is cut, and keeps its reason", () => {
  const long = shortened(new RouseError("UNAVAILABLE", "x".repeat(10_000), { reason: "START_FAILED" }));
  expect(long.message.length).toBe(2_000);
  expect(long).toMatchObject({ status: "UNAVAILABLE", reason: "START_FAILED" });
});
