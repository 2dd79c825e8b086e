import type { ServerWritableStream } from "@grpc/grpc-js";
import type { InstanceHealth, WatchHealthRequest, WatchHealthResponse } from "#proto/rouse/agent/v1/agent.ts";
import type { InstanceVitals } from "./vitals.ts";

type Call = ServerWritableStream<WatchHealthRequest, WatchHealthResponse>;

/** Serves WatchHealth. A reader that is slow gets the newest of each instance, not all that was in between. */
export function streamHealth(vitals: InstanceVitals, call: Call): void {
  const waiting = new Map<string, InstanceHealth>();
  let isFull = false;
  const flush = () => {
    if (isFull || waiting.size === 0) return;
    const instances = [...waiting.values()];
    waiting.clear();
    isFull = !call.write({ instances });
  };
  call.on("drain", () => {
    isFull = false;
    flush();
  });
  // The first message says that the stream is there, even where nothing runs.
  let isFirst = true;
  const end = vitals.watch((changed) => {
    if (isFirst && changed.length === 0) call.write({ instances: [] });
    isFirst = false;
    for (const health of changed) waiting.set(health.instanceId, health);
    flush();
  });
  call.on("cancelled", end);
  call.on("error", end);
}
