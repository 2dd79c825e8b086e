import { createHash } from "node:crypto";
import type { NewTask } from "#proto/rouse/orders/v1/tasks.ts";
import { RouseError } from "../../sdk/errors.ts";
import { checkSize } from "../../sdk/tasks/size.ts";
import { checkKeepMs } from "../keep.ts";

const DAY_MS = 86_400_000;
const QUEUE = /^[A-Za-z0-9._/-]{1,200}$/;
const MOST_PRIORITY = 1_000;
const MOST_RETRIES = 100;
const LOSSES = { default: 5, most: 1_000 } as const;
const LEASE = { least: 1_000, default: 15_000, most: 600_000 } as const;
const MOST_ROOM = 10_000;
const MOST_SUBTASKS = 10_000;
const LONGEST_SLEEP_MS = 366 * DAY_MS;

/** What is asked of a task, checked. */
export interface TaskOrder {
  readonly queue: string;
  readonly payload: Buffer;
  readonly priority: number;
  readonly retries: number;
  readonly mostLosses: number;
  readonly keepMs: number;
}

/** What is asked for a worker, checked. */
export interface WorkerOrder {
  readonly worker: string;
  readonly queue: string;
  readonly name: string;
  readonly room: number;
  readonly leaseMs: number;
  readonly resumes: boolean;
}

/** @throws RouseError INVALID_ARGUMENT TASK_INVALID; RESOURCE_EXHAUSTED TASK_TOO_LARGE. */
export function taskOrder(asked: NewTask | undefined): TaskOrder {
  if (asked === undefined) throw invalid("the request has no task");
  const { queue, payload, priority, retries } = asked;
  checkQueue(queue);
  checkSize("payload", payload);
  if (Math.abs(priority) > MOST_PRIORITY)
    throw invalid(`its priority is ${priority}; give -${MOST_PRIORITY} to ${MOST_PRIORITY}`);
  if (retries > MOST_RETRIES) throw invalid(`it has ${retries} retries; ${MOST_RETRIES} are the most`);
  const mostLosses = asked.mostLosses || LOSSES.default;
  if (mostLosses > LOSSES.most) throw invalid(`most_losses is ${mostLosses}; ${LOSSES.most} is the most`);
  const keepMs = checkKeepMs(asked.keepMs, invalid);
  return { queue, payload: Buffer.from(payload), priority, retries, mostLosses, keepMs };
}

/** Subtasks of a split, each checked. @throws RouseError as {@link taskOrder}. */
export function subtaskOrders(asked: readonly NewTask[]): TaskOrder[] {
  if (asked.length === 0 || asked.length > MOST_SUBTASKS)
    throw invalid(`it is split into ${asked.length} subtasks; give 1 to ${MOST_SUBTASKS}`);
  return asked.map((task) => taskOrder(task));
}

/** @throws RouseError INVALID_ARGUMENT TASK_INVALID. */
export function sleepMs(forMs: number): number {
  if (forMs > LONGEST_SLEEP_MS) throw invalid(`it sleeps for ${forMs} ms; ${LONGEST_SLEEP_MS} are the most`);
  return forMs;
}

/** @throws RouseError INVALID_ARGUMENT TASK_WORKER_INVALID, TASK_INVALID. */
export function workerOrder(hello: {
  readonly worker: string;
  readonly queue: string;
  readonly room: number;
  readonly leaseMs: number;
  readonly name: string;
  readonly resumes: boolean;
}): WorkerOrder {
  const { worker, queue, room, resumes, name } = hello;
  checkQueue(queue);
  const leaseMs = hello.leaseMs || LEASE.default;
  const wrong =
    worker.length < 1 || worker.length > 100
      ? "its name has 1 to 100 characters"
      : room < 1 || room > MOST_ROOM
        ? `it has room for 1 to ${MOST_ROOM} tasks, not ${room}`
        : leaseMs < LEASE.least || leaseMs > LEASE.most
          ? `lease_ms is ${leaseMs}; give ${LEASE.least} to ${LEASE.most}`
          : undefined;
  if (wrong === undefined) return { worker, queue, name: name.slice(0, 100), room, leaseMs, resumes };
  throw new RouseError("INVALID_ARGUMENT", `The worker cannot be taken: ${wrong}.`, {
    reason: "TASK_WORKER_INVALID",
  });
}

/** SHA-256 of what an idempotency key stands for. */
export function taskDigest({ payload, ...rest }: TaskOrder): Buffer {
  return createHash("sha256").update(JSON.stringify(rest)).update("\0").update(payload).digest();
}

function checkQueue(queue: string): void {
  if (!QUEUE.test(queue))
    throw invalid(
      `${JSON.stringify(queue.slice(0, 60))} is no name of a queue; write 1 to 200 of A-Z a-z 0-9 . _ / -`,
    );
}

export function invalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The task cannot be taken: ${why}.`, { reason: "TASK_INVALID" });
}
