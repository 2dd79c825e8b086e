import { expect, test } from "vitest";
import { Task, TaskState } from "#proto/rouse/orders/v1/tasks.ts";
import { changeLines, stateOf, stateWords, taskLines, treeLines, workerLines } from "./lines.ts";

const task = (of: Partial<Task>) => Task.fromPartial({ queue: "wool", createdAtMs: 1_000, ...of });
const root = task({ id: "a", state: TaskState.WAIT_FOR_SUBTASKS, pending: 2 });

test("a list says what there is to say of each", () => {
  const tasks = [
    root,
    task({ id: "b", state: TaskState.SLEEPING, wakeAtMs: 70_000, failures: 1 }),
    task({ id: "c", state: TaskState.WORKING, losses: 1, progress: { fraction: 0.4, note: "spun" } }),
    task({ id: "d", state: TaskState.COLLECTED, collectedBy: "me", endedAtMs: 1 }),
  ];
  expect(taskLines(tasks, 10_000)).toBe(
    [
      "TASK  QUEUE  STATE              AGE",
      "a     wool   wait_for_subtasks  9 s  2 to go",
      "b     wool   sleeping           9 s  wakes in 60 s · 1 failed",
      "c     wool   working            9 s  40 % spun · 1 worker lost",
      "d     wool   collected          9 s  by me",
    ].join("\n"),
  );
});

test("a tree shows what is below", () => {
  const below = new Map([
    ["a", [task({ id: "b", state: TaskState.WORKING }), task({ id: "c", state: TaskState.FAILED })]],
    ["b", [task({ id: "d", state: TaskState.UNASSIGNED })]],
  ]);
  expect(treeLines(root, below, 0)).toEqual([
    "a  wool  wait_for_subtasks  2 to go",
    "├─ b  wool  working",
    "│  └─ d  wool  unassigned",
    "└─ c  wool  failed",
  ]);
});

test("a history and workers are tables", () => {
  const change = {
    revision: 2,
    atMs: 0,
    kind: "assign",
    state: TaskState.ASSIGNED,
    assignment: 1,
    by: "w",
    note: "",
  };
  expect(changeLines([change])).toBe(
    [
      "REVISION  TIME                      CHANGE  STATE",
      "2         1970-01-01T00:00:00.000Z  assign  assigned  w",
    ].join("\n"),
  );
  const worker = { id: "w", queue: "wool", name: "host-a", room: 4, held: 1, leaseUntilMs: 15_000 };
  expect(workerLines([worker], 0)).toBe(
    ["WORKER  QUEUE  TASKS   LEASE  NAME", "w       wool   1 of 4  15 s   host-a"].join("\n"),
  );
});

test("states have their words", () => {
  expect(stateOf("done_calculating")).toBe(TaskState.DONE_CALCULATING);
  expect(stateOf("lost")).toBeUndefined();
  expect(stateWords()).toBe(
    "unassigned, assigned, working, wait_for_subtasks, sleeping, done_calculating, collected, failed, cancelled",
  );
});
