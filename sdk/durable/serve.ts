import type { Server } from "@grpc/grpc-js";
import { RouseRunRequest, RouseRunResponse } from "#proto/rouse/orders/v1/durable.ts";
import type { Runtime } from "../server/runtime.ts";
import { type DurableMethod, type RunStream, StreamedRun } from "./stream.ts";

export { callDurably } from "./plain-call.ts";

/** Requests of runs, and results of the runs that a function has started, have 16 MiB at most; and some more for what is around. */
export const mostMessageMebi = 20;

/** Lets orders run the durable methods of a server, at the path that durable.proto says. */
export function serveRuns<State>(
  server: Server,
  runtime: Runtime<State>,
  methods: readonly DurableMethod<State>[],
): void {
  const byName = new Map(methods.map((one) => [one.method.name, one]));
  server.register(
    `/${runtime.service}/RouseRun`,
    (stream: RunStream) => void new StreamedRun(stream, runtime, byName),
    (message: RouseRunResponse) => Buffer.from(RouseRunResponse.encode(message).finish()),
    (bytes: Buffer) => RouseRunRequest.decode(bytes),
    "bidi",
  );
}
