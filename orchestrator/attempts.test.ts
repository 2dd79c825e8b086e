import { describe, expect, test } from "vitest";
import type { VersionManifest } from "../registry/state.ts";
import { type Attempt, Attempts, patienceMs, tellAttempts, triesAgain } from "./attempts.ts";

const WAITED_FOR_MS = 10_000;

/** One failed attempt after the other, each 1 s long. */
function failed(...ends: readonly (readonly [reason: string, message: string, host?: string])[]): Attempt[] {
  return ends.map(([reason, message, host = "a"], index) => ({
    host,
    reason,
    message,
    beganMs: index * 1_000,
    failedMs: (index + 1) * 1_000,
  }));
}

const exits = (code: number, host = "a") =>
  ["INSTANCE_EXITED", `it exited with code ${code}. It printed nothing`, host] as const;

describe("a start that failed is tried again", () => {
  test.each<[string, Attempt[], boolean, boolean]>([
    ["once it exited", failed(exits(3)), false, true],
    [
      "not when it exited with the same code twice, and there is no other host",
      failed(exits(3), exits(3, "b")),
      false,
      false,
    ],
    ["on a third host when it exited with the same code on two", failed(exits(3), exits(3, "b")), true, true],
    ["not on a fourth one", failed(exits(3), exits(3, "b"), exits(3, "c")), true, false],
    ["when it ended in another way", failed(exits(3), exits(4)), false, true],
    ["three times at most", failed(exits(3), exits(4), exits(5)), true, false],
    ["when its container was removed", failed(["INSTANCE_LOST", "it ended: it was removed"]), false, true],
    ["elsewhere when a file is missing there", failed(["MOUNT_MISSING", "it mounts /x"]), true, true],
    ["not when a file is missing on the only host", failed(["MOUNT_MISSING", "it mounts /x"]), false, false],
    ["elsewhere when it was not ready in time", failed(["START_TIMEOUT", "it was not ready"]), true, true],
    [
      "not on the host where it was not ready in time",
      failed(["START_TIMEOUT", "it was not ready"]),
      false,
      false,
    ],
    ["elsewhere when its agent says nothing", failed(["DEADLINE_EXCEEDED", "no answer"]), true, true],
    ["not when it speaks another protocol", failed(["NOT_HTTP2", "it opened port 1"]), true, false],
    ["not when a person stopped it", failed(["START_STOPPED", "it was stopped"]), true, false],
    ["not before anything failed", [], true, false],
  ])("%s", (_, attempts, isElsewhere, again) => {
    expect(triesAgain(attempts, isElsewhere, WAITED_FOR_MS)).toBe(again);
  });

  test("not when callers do not wait as long as it took", () => {
    const slow = { ...failed(exits(3))[0], beganMs: 0, failedMs: 6_000 } as Attempt;
    expect(triesAgain([slow], true, WAITED_FOR_MS)).toBe(false);
    expect(triesAgain([{ ...slow, failedMs: 5_000 }], true, WAITED_FOR_MS)).toBe(true);
  });
});

test("callers wait for a start and for the longest method", () => {
  const method = (deadlineMs: number) => ({ deadlineMs }) as VersionManifest["methods"][number];
  const startTimeoutMs = 20_000;
  expect(patienceMs({ startTimeoutMs, methods: [method(30_000), method(600_000)] })).toBe(620_000);
  expect(patienceMs({ startTimeoutMs, methods: [method(30_000), method(0)] })).toBe(Number.POSITIVE_INFINITY);
});

test("all attempts are told, the latest in full", () => {
  const output = "it exited with code 3. Its last output:\nthe disk is full";
  const attempts = failed(["INSTANCE_EXITED", output, "a"], ["INSTANCE_EXITED", output, "b"]);
  expect(tellAttempts(attempts.slice(0, 1))).toBe(`${output} (host a)`);
  expect(tellAttempts(attempts)).toBe(
    `${output} (host b); it was tried 2 times, before that: on a, it exited with code 3`,
  );
});

test("attempts count until the target serves or is given up", () => {
  const attempts = new Attempts();
  const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };
  const [one] = failed(exits(3)) as [Attempt];
  expect(attempts.note(target, one)).toHaveLength(1);
  expect(attempts.note(target, one)).toHaveLength(2);
  attempts.clear(target);
  expect(attempts.note(target, one)).toHaveLength(1);
});
