import { describe, expect, test } from "vitest";
import { type Attempt, Attempts, tellAttempts, triesAgain } from "./attempts.ts";

const TIMEOUT_MS = 10_000;

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
    ["not when it exited with the same code on two hosts", failed(exits(3), exits(3, "b")), true, false],
    ["when it ended in another way", failed(exits(3), exits(4)), false, true],
    ["three times at most", failed(exits(3), exits(4), exits(5)), true, false],
    ["when its container was removed", failed(["INSTANCE_LOST", "it ended: it was removed"]), false, true],
    ["elsewhere when a file is missing there", failed(["MOUNT_MISSING", "it mounts /x"]), true, true],
    ["not when a file is missing on the only host", failed(["MOUNT_MISSING", "it mounts /x"]), false, false],
    ["not when its time is over", failed(["START_TIMEOUT", "it was not ready"]), true, false],
    ["not when it speaks another protocol", failed(["NOT_HTTP2", "it opened port 1"]), true, false],
    ["not when a person stopped it", failed(["START_STOPPED", "it was stopped"]), true, false],
    ["not before anything failed", [], true, false],
  ])("%s", (_, attempts, isElsewhere, again) => {
    expect(triesAgain(attempts, isElsewhere, TIMEOUT_MS)).toBe(again);
  });

  test("not when the start timeout leaves too little time", () => {
    const slow = { ...failed(exits(3))[0], beganMs: 0, failedMs: 6_000 } as Attempt;
    expect(triesAgain([slow], true, TIMEOUT_MS)).toBe(false);
    expect(triesAgain([{ ...slow, failedMs: 5_000 }], true, TIMEOUT_MS)).toBe(true);
  });
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
