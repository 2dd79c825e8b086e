import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RouseError } from "../sdk/errors.ts";
import { callError } from "../sdk/grpc.ts";
import { shortened } from "./resources/answer.ts";
import { startRig, type TestRig } from "./testing/rig.ts";
import { manifest, version } from "./testing/state.ts";

const service = "echo.v1.EchoService";
const failure = { status: "RESOURCE_EXHAUSTED", message: "Zürich: 100 % taken\nby others", retryAtMs: 0 };

let rig: TestRig;
let client: Client;
beforeAll(async () => {
  rig = await startRig({
    prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"), { generation: 1, failure })),
  });
  client = new Client(rig.edge, credentials.createInsecure());
});
afterAll(async () => {
  client?.close();
  await rig?.close();
});

const raw = (value: Buffer) => value;

/** How a call of a shape fails. */
function failureOf(shape: string): Promise<Error> {
  const path = `/${service}/Any`;
  const body = Buffer.alloc(1 << 20);
  return new Promise((resolve) => {
    const ended = (failure: Error | null) => failure && resolve(failure);
    if (shape === "unary") client.makeUnaryRequest(path, raw, raw, body, ended);
    else if (shape === "client stream") {
      const call = client.makeClientStreamRequest(path, raw, raw, ended);
      for (let i = 0; i < 8; i++) call.write(body);
    } else if (shape === "bidi") {
      const call = client.makeBidiStreamRequest(path, raw, raw);
      call.on("data", () => undefined).on("error", resolve);
      call.write(body);
    } else {
      const call = client.makeServerStreamRequest(path, raw, raw, body);
      call.on("data", () => undefined).on("error", resolve);
    }
  });
}

const shapes = ["unary", "client stream", "server stream", "bidi"];

test.each(shapes)("Envoy itself ends a call of shape %s with the reason", async (shape) => {
  expect(callError(await failureOf(shape))).toMatchObject({
    status: "RESOURCE_EXHAUSTED",
    message: `${service} 1.0.0 does not start: ${failure.message}`,
    reason: "START_FAILED",
  });
});

test("it goes on to do so while no control plane is there", async () => {
  await rig.restartControl(async () => {
    for (const shape of shapes) {
      expect(callError(await failureOf(shape))).toMatchObject({ reason: "START_FAILED" });
    }
  });
});

test("a message too long for a header is cut, and keeps its reason", () => {
  const long = shortened(new RouseError("UNAVAILABLE", "x".repeat(10_000), { reason: "START_FAILED" }));
  expect(long.message.length).toBe(2_000);
  expect(long).toMatchObject({ status: "UNAVAILABLE", reason: "START_FAILED" });
});
