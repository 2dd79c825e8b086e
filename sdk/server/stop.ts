import { isMainThread, parentPort } from "node:worker_threads";
import { flushSpans } from "../tracing/index.ts";
import { flushCounts } from "../usage/reporter.ts";
import { runStopHooks } from "./at-stop.ts";
import type { RunningServer } from "./types.ts";
import { isWorker } from "./workers/role.ts";

/** Message that asks a server in a worker to stop, as SIGTERM asks a process. */
export const stopMessage = "rouse:stop";

/** Time for what else is to be done, ms: within the agent's 10,000. */
const HOOKS_MS = 8_000;

const servers: RunningServer[] = [];
let asked = false;

/**
 * Stops the server on SIGTERM and SIGINT (in a worker: on the message "rouse:stop") and ends the process with
 * 0 when all its servers have stopped. A second signal cuts what is open.
 */
export function stopOnSignals(server: RunningServer): void {
  servers.push(server);
  if (servers.length > 1) return;
  const stopIfAsked = (message: unknown) => {
    if (message === stopMessage) stopAll();
  };
  if (!isMainThread) {
    parentPort?.on("message", stopIfAsked);
    parentPort?.unref();
  } else if (isWorker()) {
    process.on("message", stopIfAsked);
    // A signal to the whole group is passed on by the instance's main process; twice would mean at once.
    process.on("SIGTERM", () => {});
    process.on("SIGINT", () => {});
  } else {
    process.on("SIGTERM", stopAll);
    process.on("SIGINT", stopAll);
  }
}

function stopAll(): void {
  const stopped: Promise<unknown>[] = servers.map((server) => server.stop(asked ? { graceMs: 0 } : {}));
  stopped.push(runStopHooks(asked ? 0 : HOOKS_MS));
  if (asked) return;
  asked = true;
  Promise.all(stopped)
    .then(() => Promise.all([flushSpans(), flushCounts()]))
    .then(() => process.exit(0));
}
