import { describe, expect, test } from "vitest";
import { DEFAULT_SCALING } from "../../registry/scaling.ts";
import type { Policy } from "./policy.ts";
import type { Sample } from "./sample.ts";
import { ideal, simulate } from "./simulate.ts";

const policy: Policy = { ...DEFAULT_SCALING, targetConcurrency: 10, minInstances: 0, maxInstances: 20 };

function recorded(loads: readonly number[], beginMs = 1_000_000): Sample[] {
  return loads.map((load, second) => ({
    ...{ atMs: beginMs + second * 1_000, spanMs: 1_000, inProgress: load, most: load, issued: load },
    instances: 1,
  }));
}

describe("simulate", () => {
  const trial = { policy, idleTimeoutMs: 300_000, startMs: 2_000 };
  const step = recorded([...Array.from({ length: 10 }, () => 1), ...Array.from({ length: 50 }, () => 80)]);

  test("says what a step costs until the instances are there", () => {
    const outcome = simulate(step, trial);
    expect(outcome).toEqual({
      // 1 while one serves, none in the very first second, 10 from the second after the step on.
      instanceSeconds: 0 + 10 + 49 * 10,
      most: 10,
      starts: 10,
      // The start of the first, and of the nine others.
      shortSeconds: 2 + 2,
      overTarget: 2 * 1 + 2 * 70,
      coldSeconds: 2,
    });
    expect(ideal(step, policy)).toMatchObject({ instanceSeconds: 10 * 1 + 50 * 8, most: 8 });
  });

  test("a policy with more instances ready is short for less time, and costs more", () => {
    const few = simulate(step, trial);
    const many = simulate(step, { ...trial, policy: { ...policy, minInstances: 10 } });
    expect(many.shortSeconds).toBeLessThan(few.shortSeconds);
    expect(many.instanceSeconds).toBeGreaterThan(few.instanceSeconds);
  });

  test("goes back to nothing after the idle timeout, also in a gap of the recording", () => {
    const recording = [...recorded([5]), ...recorded([5], 1_000_000 + 3_600_000)];
    const outcome = simulate(recording, trial);
    expect(outcome.starts).toBe(2);
    expect(outcome.instanceSeconds).toBe(300);
    expect(outcome.coldSeconds).toBe(2);
  });

  test("nothing recorded costs nothing", () => {
    expect(simulate([], trial).instanceSeconds).toBe(0);
  });
});
