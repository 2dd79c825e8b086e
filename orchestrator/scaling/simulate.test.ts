import { describe, expect, test } from "vitest";
import { DEFAULT_SCALING } from "../../registry/scaling.ts";
import type { Policy } from "./policy.ts";
import { Recording } from "./recording.ts";
import { ideal, simulate } from "./simulate.ts";

const policy: Policy = { ...DEFAULT_SCALING, targetConcurrency: 10, minInstances: 0, maxInstances: 20 };

function recorded(loads: readonly number[], beginMs = 1_000_000): Recording {
  const recording = new Recording();
  loads.forEach((inProgress, second) => {
    recording.add({ inProgress, issued: inProgress, instances: 1 }, beginMs + second * 1_000);
  });
  return recording;
}

describe("Recording", () => {
  test("keeps seconds, and means of one second that is reported twice", () => {
    const recording = new Recording();
    recording.add({ inProgress: 4, issued: 1, instances: 1 }, 5_100);
    recording.add({ inProgress: 6, issued: 2, instances: 2 }, 5_900);
    recording.add({ inProgress: 0, issued: 0, instances: 0 }, 7_000);
    expect(recording.samples()).toEqual([
      { atMs: 5_000, spanMs: 1_000, inProgress: 5, most: 6, issued: 3, instances: 2 },
    ]);
  });

  test("makes minutes of what is older than an hour, and forgets what is older than a day", () => {
    const samples = recorded(
      Array.from({ length: 3_720 }, () => 8),
      0,
    ).samples();
    expect(samples[0]).toEqual({
      atMs: 0,
      spanMs: 60_000,
      inProgress: 8,
      most: 8,
      issued: 480,
      instances: 1,
    });
    expect(samples.reduce((sum, { spanMs }) => sum + spanMs, 0)).toBe(3_720_000);
    const days = recorded(
      Array.from({ length: 2 * 86_400 }, () => 8),
      0,
    ).samples();
    expect(days.length).toBeLessThanOrEqual(3_600 + 1_440);
  });
});

describe("simulate", () => {
  const trial = { policy, idleTimeoutMs: 300_000, startMs: 2_000 };
  const step = recorded([...Array.from({ length: 10 }, () => 1), ...Array.from({ length: 50 }, () => 80)]);

  test("says what a step costs until the instances are there", () => {
    const outcome = simulate(step.samples(), trial);
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
    expect(ideal(step.samples(), policy)).toMatchObject({ instanceSeconds: 10 * 1 + 50 * 8, most: 8 });
  });

  test("a policy with more instances ready is short for less time, and costs more", () => {
    const few = simulate(step.samples(), trial);
    const many = simulate(step.samples(), { ...trial, policy: { ...policy, minInstances: 10 } });
    expect(many.shortSeconds).toBeLessThan(few.shortSeconds);
    expect(many.instanceSeconds).toBeGreaterThan(few.instanceSeconds);
  });

  test("goes back to nothing after the idle timeout, also in a gap of the recording", () => {
    const recording = recorded([5]);
    recording.add({ inProgress: 5, issued: 5, instances: 1 }, 1_000_000 + 3_600_000);
    const outcome = simulate(recording.samples(), trial);
    expect(outcome.starts).toBe(2);
    expect(outcome.instanceSeconds).toBe(300);
    expect(outcome.coldSeconds).toBe(2);
  });

  test("nothing recorded costs nothing", () => {
    expect(simulate([], trial).instanceSeconds).toBe(0);
  });
});
