import type { Candidate, Room, Taken } from "../queue/queue.ts";
import type { OpenOrder } from "../store/engine-store.ts";
import type { TaskBrief } from "../store/record.ts";

/** What a task takes while it runs. */
export function roomOf({
  service,
  version,
  room,
  faults,
  host,
}: Pick<TaskBrief, "service" | "version" | "room" | "faults" | "host">): Room {
  if (room === null) return "call";
  const needs = { ...room, service, version, image: true };
  // Where it was lost it is tried again only when there is no room elsewhere.
  return faults > 0 && host !== null ? { ...needs, failedOn: new Set([host]) } : needs;
}

/** Unique among all tasks. */
export function keyOf({ order_id, name }: Pick<TaskBrief, "order_id" | "name">): string {
  return `${order_id} ${name}`;
}

/** What is known of the queue at one moment. */
export interface QueueView {
  readonly candidates: readonly Candidate[];
  readonly running: readonly Taken[];
  /** Jobs that run, and where. */
  readonly jobs: readonly { readonly host: string; readonly room: NonNullable<TaskBrief["room"]> }[];
  /** Of each candidate. */
  readonly tasks: ReadonlyMap<string, TaskBrief>;
  /** When the next task may be tried again, ms since 1970; undefined: none waits for a time. */
  readonly nextMs: number | undefined;
}

/**
 * Who waits for a turn, and who has had it.
 *
 * @param taken Keys of tasks that are begun at this moment, with their hosts, whatever the database says of them by now.
 */
export function viewOf(
  orders: Iterable<OpenOrder>,
  taken: ReadonlyMap<string, string | undefined>,
  nowMs: number,
): QueueView {
  const candidates: Candidate[] = [];
  const running: Taken[] = [];
  const jobs: { host: string; room: NonNullable<TaskBrief["room"]> }[] = [];
  const tasks = new Map<string, TaskBrief>();
  let nextMs: number | undefined;
  for (const order of orders) {
    for (const task of order.tasks) {
      const key = keyOf(task);
      if (task.state === "running" || taken.has(key)) {
        running.push({ provider: task.provider, room: roomOf(task) });
        const host = taken.get(key) ?? task.host;
        if (task.room !== null && host !== null && host !== undefined) jobs.push({ host, room: task.room });
      } else if (task.state === "ready") {
        const retryMs = task.retry_at?.getTime() ?? 0;
        if (retryMs > nowMs) {
          nextMs = Math.min(nextMs ?? retryMs, retryMs);
          continue;
        }
        const { priority, sequence } = order;
        const sinceMs = task.ready_at?.getTime() ?? nowMs;
        candidates.push({ key, priority, provider: task.provider, sequence, sinceMs, room: roomOf(task) });
        tasks.set(key, task);
      }
    }
  }
  return { candidates, running, jobs, tasks, nextMs };
}
