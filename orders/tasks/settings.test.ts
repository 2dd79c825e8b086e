import { describe, expect, test } from "vitest";
import { checkSize, MOST_TASK_BYTES } from "../../sdk/tasks/size.ts";
import { sleepMs, subtaskOrders, taskOrder, workerOrder } from "./settings.ts";
import { cleanError, cleanText } from "./text.ts";

const task = {
  queue: "align.v1.AlignService/Align",
  payload: Buffer.from("wool"),
  priority: 0,
  retries: 0,
  mostLosses: 0,
  keepMs: 0,
};
const hello = { worker: "w", queue: "q", room: 1, leaseMs: 0, name: "", resumes: false };

test("what is not said has its default", () => {
  expect(taskOrder(task)).toEqual({ ...task, mostLosses: 5, keepMs: 604_800_000 });
  expect(workerOrder(hello)).toEqual({ ...hello, leaseMs: 15_000 });
});

describe("refused is a task", () => {
  test.each([
    [{ queue: "two words" }, '"two words" is no name of a queue; write 1 to 200 of A-Z a-z 0-9 . _ / -'],
    [{ queue: "" }, '"" is no name of a queue; write 1 to 200 of A-Z a-z 0-9 . _ / -'],
    [{ priority: -1_001 }, "its priority is -1001; give -1000 to 1000"],
    [{ retries: 101 }, "it has 101 retries; 100 are the most"],
    [{ mostLosses: 1_001 }, "most_losses is 1001; 1000 is the most"],
    [{ keepMs: 59_999 }, "keep_ms is 59999; give 1 minute (60000) to 90 days (7776000000)"],
  ])("with %j", (of, why) => {
    expect(() => taskOrder({ ...task, ...of })).toThrow(`The task cannot be taken: ${why}.`);
  });

  test("that is none", () => {
    expect(() => taskOrder(undefined)).toThrow("The task cannot be taken: the request has no task.");
    expect(() => subtaskOrders([])).toThrow(
      "The task cannot be taken: it is split into 0 subtasks; give 1 to 10000.",
    );
    expect(() => sleepMs(4e10)).toThrow("it sleeps for 40000000000 ms; 31622400000 are the most");
  });

  test("that is too large", () => {
    expect(() => checkSize("result", Buffer.alloc(100 * 2 ** 20))).toThrow(
      "The task's result has 100.0 MiB; 4 MiB are the most. Keep it as an artifact, and pass on its URI.",
    );
    expect(() => checkSize("result", Buffer.alloc(MOST_TASK_BYTES))).not.toThrow();
  });
});

test.each([
  [{ worker: "" }, "its name has 1 to 100 characters"],
  [{ room: 0 }, "it has room for 1 to 10000 tasks, not 0"],
  [{ leaseMs: 999 }, "lease_ms is 999; give 1000 to 600000"],
])("a worker with %j is refused", (of, why) => {
  expect(() => workerOrder({ ...hello, ...of })).toThrow(`The worker cannot be taken: ${why}.`);
});

test("text of others is such as the database keeps", () => {
  expect(cleanText("a\0b\ud800c")).toBe("a\ufffdb\ufffdc");
  expect(cleanError({ code: 99, message: "no\0", reason: "R", metadata: { ["__proto__"]: "\0" } })).toEqual({
    code: 2,
    message: "no\ufffd",
    reason: "R",
    metadata: Object.fromEntries([["__proto__", "\ufffd"]]),
  });
  expect(cleanError(undefined)).toEqual({ code: 2, message: "", reason: "", metadata: {} });
});
