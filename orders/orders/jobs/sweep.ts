import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { EngineStore } from "../store/engine-store.ts";
import type { Fleet } from "./fleet.ts";
import { type JobOf, parseJobId } from "./job-id.ts";

const SWEEP_MS = 5_000;

/**
 * Ends and forgets jobs of orders that nobody waits for: of orders that were cancelled, of attempts that were given up while their
 * host was away, or that were noted down just before a crash. The database says which those are.
 */
export async function sweepJobs(
  {
    fleet,
    store,
    claimed,
    log,
  }: { fleet: Fleet; store: EngineStore; claimed: ReadonlySet<string>; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(SWEEP_MS, undefined, { signal }).catch(() => undefined);
    for (const host of fleet.names()) {
      const jobs = fleet.at(host);
      for (const { id } of jobs?.all ?? []) {
        const of = parseJobId(id);
        if (signal.aborted || of === undefined || claimed.has(id)) continue;
        try {
          if (await isWanted(store, of)) continue;
          log.info({ job: id, host }, "a job that nobody waits for is ended and forgotten");
          await jobs?.forget(id);
        } catch (err) {
          log.warn({ err, job: id, host }, "a job that nobody waits for is still there");
        }
      }
    }
  }
}

async function isWanted(store: EngineStore, { orderId, position, attempt }: JobOf): Promise<boolean> {
  const [order] = await store.open([orderId]);
  const task = order?.tasks.find((one) => one.position === position);
  return task?.state === "running" && task.attempts === attempt;
}
