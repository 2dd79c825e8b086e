import { RouseError } from "../errors.ts";

/** Most bytes of a payload, a result, or what is kept between turns. */
export const MOST_TASK_BYTES = 4 * 2 ** 20;
/** Most bytes of the payloads with which a task is split: they go in one message. */
const MOST_SPLIT_BYTES = 24 * 2 ** 20;

/**
 * Orders check it as well; but a message of much more than that would end the worker's stream, again and again.
 *
 * @param what such as "result".
 * @throws RouseError RESOURCE_EXHAUSTED TASK_TOO_LARGE.
 */
export function checkSize(what: string, bytes: Uint8Array): void {
  check(`The task's ${what} has`, bytes.length, MOST_TASK_BYTES);
}

/** @throws RouseError RESOURCE_EXHAUSTED TASK_TOO_LARGE. */
export function checkSplit(subtasks: readonly { readonly payload: Uint8Array }[]): void {
  const bytes = subtasks.reduce((sum, { payload }) => sum + payload.length, 0);
  check("The payloads of the task's subtasks have together", bytes, MOST_SPLIT_BYTES);
}

function check(what: string, bytes: number, most: number): void {
  if (bytes <= most) return;
  const size = (bytes / 2 ** 20).toFixed(1);
  throw new RouseError(
    "RESOURCE_EXHAUSTED",
    `${what} ${size} MiB; ${most / 2 ** 20} MiB are the most. Keep it as an artifact, and pass on its URI.`,
    { reason: "TASK_TOO_LARGE" },
  );
}
