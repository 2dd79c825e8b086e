import { credentials, Server, type ServiceError } from "@grpc/grpc-js";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import {
  EndpointsClient,
  EndpointsService,
  type WatchRequest,
} from "#proto/rouse/meshconfig/v1/endpoints.ts";
import { callError, listen } from "../../sdk/grpc.ts";
import type { Control } from "../xds/control.ts";
import { DirectLoads } from "./loads.ts";
import { DirectStreams } from "./streams.ts";

/** How a stream with these messages ends. */
async function endOf(requests: readonly WatchRequest[]) {
  const server = new Server();
  const never = new Promise<Control>(() => undefined);
  const streams = new DirectStreams(never, new DirectLoads(), pino({ level: "silent" }), 500);
  server.addService(EndpointsService, streams.service);
  const client = new EndpointsClient(await listen(server, "127.0.0.1:0"), credentials.createInsecure());
  onTestFinished(() => {
    client.close();
    streams.end();
    server.forceShutdown();
  });
  const stream = client.watch();
  stream.resume();
  for (const request of requests) stream.write(request);
  const error = await new Promise<ServiceError>((resolve) => stream.on("error", resolve));
  const { status, reason, message } = callError(error);
  return { status, reason, message };
}

const subscribe: WatchRequest = {
  kind: { $case: "subscribe", value: { service: "a.v1.A", version: "", members: false, zone: "" } },
};

test("a stream has one subscription", async () => {
  expect(await endOf([subscribe, subscribe])).toEqual({
    status: "INVALID_ARGUMENT",
    reason: "WATCH_MISUSED",
    message: "Watch begins with one subscribe, and reports follow. Send subscribe once, and first.",
  });
});

test("who reports nothing counts as gone", async () => {
  expect(await endOf([subscribe])).toEqual({
    status: "DEADLINE_EXCEEDED",
    reason: "WATCH_SILENT",
    message: "Nothing was reported for 0.5 s. Report every second, or call through Envoy.",
  });
});
