import { expect, test } from "vitest";
import { subtask, taskQueue } from "./queue.ts";
import { checkSize, checkSplit, MOST_TASK_BYTES } from "./size.ts";

test("what is too large is refused before it is sent, with what to do", () => {
  expect(() => checkSize("result", Buffer.alloc(MOST_TASK_BYTES))).not.toThrow();
  expect(() => subtask(taskQueue<string, string>("q"), "x".repeat(2 * MOST_TASK_BYTES))).toThrow(
    "The task's payload has 8.0 MiB; 4 MiB are the most. Keep it as an artifact, and pass on its URI.",
  );
  const subtasks = Array.from({ length: 7 }, () => ({ payload: Buffer.alloc(MOST_TASK_BYTES) }));
  expect(() => checkSplit(subtasks.slice(1))).not.toThrow();
  expect(() => checkSplit(subtasks)).toThrow(
    "The payloads of the task's subtasks have together 28.0 MiB; 24 MiB are the most. Keep it as an artifact, and pass on its URI.",
  );
});
