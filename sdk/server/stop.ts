import { isMainThread, parentPort } from "node:worker_threads";
import { flushSpans } from "../tracing/index.ts";
import type { RunningServer } from "./types.ts";

/** Message that asks a server in a worker thread to stop, as SIGTERM asks a process. */
export const stopMessage = "rouse:stop";

/**
 * Stops the server on SIGTERM and SIGINT (in a worker thread: on the message "rouse:stop") and ends the process with
 * 0. A second signal cuts what is open.
 */
export function stopOnSignals(server: RunningServer): void {
  let asked = false;
  const stop = () => {
    server.stop(asked ? { graceMs: 0 } : {});
    if (asked) return;
    asked = true;
    server.stopped.then(() => flushSpans()).then(() => process.exit(0));
  };
  if (isMainThread) {
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  } else {
    parentPort?.on("message", (message) => {
      if (message === stopMessage) stop();
    });
    parentPort?.unref();
  }
}
