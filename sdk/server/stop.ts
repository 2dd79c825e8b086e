import { isMainThread, parentPort } from "node:worker_threads";
import { flushSpans } from "../tracing/index.ts";
import { flushCounts } from "../usage/reporter.ts";
import type { RunningServer } from "./types.ts";

/** Message that asks a server in a worker thread to stop, as SIGTERM asks a process. */
export const stopMessage = "rouse:stop";

const servers: RunningServer[] = [];
let asked = false;

/**
 * Stops the server on SIGTERM and SIGINT (in a worker thread: on the message "rouse:stop") and ends the process with
 * 0 when all its servers have stopped. A second signal cuts what is open.
 */
export function stopOnSignals(server: RunningServer): void {
  servers.push(server);
  if (servers.length > 1) return;
  if (isMainThread) {
    process.on("SIGTERM", stopAll);
    process.on("SIGINT", stopAll);
  } else {
    parentPort?.on("message", (message) => {
      if (message === stopMessage) stopAll();
    });
    parentPort?.unref();
  }
}

function stopAll(): void {
  const stopped = servers.map((server) => server.stop(asked ? { graceMs: 0 } : {}));
  if (asked) return;
  asked = true;
  Promise.all(stopped)
    .then(() => Promise.all([flushSpans(), flushCounts()]))
    .then(() => process.exit(0));
}
