import type { Changes } from "../database/changes.ts";
import type { TaskStore } from "./store.ts";
import { TASKS_READY } from "./tables.ts";
import type { WorkerStore } from "./workers.ts";

/** How often leases, sleepers and what was left behind are looked after, ms. */
const TICK_MS = 1_000;
const EXPIRE_MS = 60_000;
/** Who does not come round for so long was stopped, or the database was: nobody's heartbeat was noted down either, ms. */
const AWAY_MS = 5_000;

/**
 * The work of the one process that leads: gives tasks to workers as soon as there are both, ends leases, wakes sleepers, and hands
 * subtasks over that a process left behind when it ended.
 */
export async function runDispatch(
  tasks: TaskStore,
  workers: WorkerStore,
  changes: Changes,
  signal: AbortSignal,
): Promise<void> {
  let wake = Promise.withResolvers<void>();
  const now = () => wake.resolve();
  let dueAtMs = Number.POSITIVE_INFINITY;
  const unlisten = changes.listen(TASKS_READY, (wakeAtMs = "") => {
    if (wakeAtMs !== "") dueAtMs = Math.min(dueAtMs, performance.now() + Number(wakeAtMs) - Date.now());
    now();
  });
  signal.addEventListener("abort", now, { once: true });
  let lookAtMs = 0;
  let expireAtMs = 0;
  let roundMs = performance.now();
  try {
    await workers.grace();
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      const nowMs = performance.now();
      if (nowMs - roundMs > AWAY_MS) await workers.grace();
      roundMs = nowMs;
      if (nowMs >= Math.min(lookAtMs, dueAtMs)) {
        dueAtMs = Number.POSITIVE_INFINITY;
        await workers.endLeases();
        const nextMs = await tasks.wakeSleepers();
        await tasks.collectSubtasks(await tasks.uncollected());
        lookAtMs = nowMs + Math.min(TICK_MS, nextMs ?? TICK_MS);
      }
      if (nowMs >= expireAtMs) {
        await tasks.expire();
        expireAtMs = nowMs + EXPIRE_MS;
      }
      while (!signal.aborted && (await workers.dispatch()) > 0);
      const timer = setTimeout(now, Math.max(1, Math.min(lookAtMs, dueAtMs) - performance.now()));
      await wake.promise;
      clearTimeout(timer);
    }
  } finally {
    unlisten();
    signal.removeEventListener("abort", now);
  }
}
