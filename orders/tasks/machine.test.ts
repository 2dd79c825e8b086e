import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isHeld, isOver, newCore, step, TASK_STATES, type TaskCore, type TaskEvent } from "./machine.ts";

const error = { code: 13, message: "The sheep are out.", reason: "SHEEP_OUT", metadata: {} } as const;
const fresh = newCore({ retries: 0, mostLosses: 2 });
const by = { worker: "w1", assignment: 1 };

/** The task after events that all change it. */
function follow(task: TaskCore, ...events: readonly TaskEvent[]): TaskCore {
  return events.reduce((now, event) => {
    const next = step(now, event);
    if (typeof next === "string") throw new Error(`${event.kind} is ${next} of ${now.state}`);
    return next;
  }, task);
}

const assign: TaskEvent = { kind: "assign", worker: "w1" };
const working = follow(fresh, assign, { kind: "begin", ...by });

describe("a task", () => {
  test("is given out, worked on, done and collected", () => {
    const done = follow(working, { kind: "finish", ...by }, { kind: "collect", by: "me" });
    expect(done).toMatchObject({ state: "collected", collectedBy: "me", revision: 5, assignment: 1 });
  });

  test("waits for all its subtasks, and is then given out in its next turn", () => {
    const split = follow(working, { kind: "split", ...by, subtasks: 3 });
    expect(split).toMatchObject({ state: "wait_for_subtasks", pending: 3, turn: 2 });
    const nearly = follow(split, { kind: "subtask", count: 2 });
    expect(nearly).toMatchObject({ state: "wait_for_subtasks", pending: 1 });
    expect(follow(nearly, { kind: "subtask", count: 1 })).toMatchObject({ state: "unassigned", pending: 0 });
  });

  test("sleeps until it is woken", () => {
    const asleep = follow(working, { kind: "sleep", ...by, untilMs: 99 });
    expect(asleep).toMatchObject({ state: "sleeping", wakeAtMs: 99, turn: 2 });
    expect(follow(asleep, { kind: "wake" })).toMatchObject({ state: "unassigned", wakeAtMs: 0 });
  });

  test("is tried again as often as it may, after growing pauses", () => {
    let task: TaskCore = { ...fresh, retries: 2 };
    const pauses: number[] = [];
    for (let assignment = 1; assignment <= 2; assignment++) {
      task = follow(task, assign, { kind: "fail", worker: "w1", assignment, error, nowMs: 0 });
      expect(task).toMatchObject({ state: "sleeping", turn: 1, error });
      pauses.push(task.wakeAtMs);
      task = follow(task, { kind: "wake" });
    }
    expect(pauses).toEqual([1_000, 2_000]);
    const last = follow(task, assign, { kind: "fail", worker: "w1", assignment: 3, error, nowMs: 0 });
    expect(last).toMatchObject({ state: "failed", failures: 3, error });
  });

  test("is given to another after its worker was lost, and fails when too many were", () => {
    const lost = follow(working, { kind: "lose", worker: "w1", error });
    expect(lost).toMatchObject({ state: "unassigned", losses: 1 });
    const again = follow(lost, { kind: "assign", worker: "w2" });
    expect(step(again, { kind: "finish", ...by })).toBe("late");
    expect(step(again, { kind: "finish", worker: "w1", assignment: 2 })).toBe("late");
    expect(follow(again, { kind: "lose", worker: "w2", error })).toMatchObject({
      state: "failed",
      losses: 2,
      error,
    });
  });

  test("that is given back was neither lost nor failed", () => {
    expect(follow(working, { kind: "release", ...by })).toMatchObject({
      state: "unassigned",
      losses: 0,
      failures: 0,
    });
  });

  test("has one collector", () => {
    const collected = follow(working, { kind: "finish", ...by }, { kind: "collect", by: "me" });
    expect(step(collected, { kind: "collect", by: "me" })).toBe("repeated");
    expect(step(collected, { kind: "collect", by: "you" })).toBe("taken");
    expect(step(working, { kind: "collect", by: "me" })).toBe("open");
  });

  test("that has ended stays so", () => {
    const cancelled = follow(working, { kind: "cancel", error });
    expect(step(cancelled, { kind: "cancel", error })).toBe("repeated");
    expect(step(cancelled, { kind: "finish", ...by })).toBe("late");
    expect(step(follow(working, { kind: "finish", ...by }), { kind: "cancel", error })).toBe("over");
    expect(step(cancelled, { kind: "wake" })).toBe("over");
    expect(step(working, { kind: "wake" })).toBe("awake");
    expect(step(working, { kind: "subtask", count: 1 })).toBe("whole");
    expect(step(working, assign)).toBe("given");
  });
});

const worker = fc.constantFrom("w1", "w2");
const assignment = fc.integer({ min: 0, max: 4 });
const anyEvent: fc.Arbitrary<TaskEvent> = fc.oneof(
  fc.record({ kind: fc.constant("assign" as const), worker }),
  fc.record({
    kind: fc.constantFrom("begin" as const, "finish" as const, "release" as const),
    worker,
    assignment,
  }),
  fc.record({
    kind: fc.constant("fail" as const),
    worker,
    assignment,
    error: fc.constant(error),
    nowMs: fc.nat(),
  }),
  fc.record({
    kind: fc.constant("split" as const),
    worker,
    assignment,
    subtasks: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("sleep" as const), worker, assignment, untilMs: fc.nat() }),
  fc.record({ kind: fc.constant("lose" as const), worker, error: fc.constant(error) }),
  fc.constant({ kind: "wake" as const }),
  fc.constant({ kind: "subtask" as const, count: 1 }),
  fc.record({ kind: fc.constant("collect" as const), by: worker }),
  fc.constant({ kind: "cancel" as const, error }),
);

test("whatever happens, each change has its revision, and what is over or collected stays so", () => {
  const settings = fc.record({ retries: fc.nat(2), mostLosses: fc.integer({ min: 1, max: 3 }) });
  fc.assert(
    fc.property(settings, fc.array(anyEvent, { maxLength: 60 }), (of, events) => {
      let task = newCore(of);
      for (const event of events) {
        const next = step(task, event);
        if (typeof next === "string") continue;
        expect(TASK_STATES).toContain(next.state);
        expect(next.revision).toBe(task.revision + 1);
        expect(next.assignment - task.assignment).toBe(event.kind === "assign" ? 1 : 0);
        if (isOver(task)) expect(event.kind).toBe("collect");
        if (task.collectedBy !== "") expect(next.collectedBy).toBe(task.collectedBy);
        if (isHeld(next)) expect(next.worker).not.toBe("");
        expect(next.wakeAtMs === 0 || next.state === "sleeping").toBe(true);
        expect(next.losses).toBeLessThanOrEqual(of.mostLosses);
        expect(next.failures).toBeLessThanOrEqual(of.retries + 1);
        task = next;
      }
    }),
    { numRuns: 500 },
  );
});
