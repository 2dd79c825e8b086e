import { describe, expect, test } from "vitest";
import { DEFAULT_SCALING } from "../../registry/scaling.ts";
import { Autoscaler } from "./autoscaler.ts";
import type { Policy } from "./policy.ts";
import { recommend } from "./recommend.ts";
import { Window } from "./window.ts";

const policy: Policy = { ...DEFAULT_SCALING, targetConcurrency: 100, minInstances: 0, maxInstances: 20 };

function steady(calls: number) {
  return { latest: calls, panicMean: calls, stableMean: calls };
}

describe("recommend", () => {
  test.each<[calls: number, have: number, instances: number, burst: boolean]>([
    [0, 0, 0, false],
    [0, 1, 0, false],
    [80, 1, 1, false],
    [81, 1, 2, true],
    [1_000, 1, 13, true],
    [240, 3, 3, false],
    // More than the high watermark, less than twice what is there.
    [241, 3, 4, false],
    [150, 3, 3, false],
    // Two would be in the middle of the band.
    [130, 3, 2, false],
    // Three would be again above it.
    [149, 3, 3, false],
    [0, 8, 4, false],
    // Sums of decimal fractions differ in the last bits: 560 / (100 · 0.8) is 7.
    [560, 7, 7, false],
  ])("%d calls on %d instances need %d", (calls, have, instances, burst) => {
    expect(recommend(policy, steady(calls), have)).toMatchObject({ instances, burst });
  });

  test("a burst does not wait for the windows", () => {
    expect(recommend(policy, { latest: 900, panicMean: 150, stableMean: 15 }, 1)).toMatchObject({
      instances: 12,
      burst: true,
    });
  });

  test("a peak that is no burst waits for the mean of the panic window", () => {
    const load = { latest: 500, panicMean: 300, stableMean: 300 };
    expect(recommend(policy, load, 4)).toMatchObject({ instances: 4, burst: false });
    expect(recommend(policy, { ...load, panicMean: 330 }, 4)).toMatchObject({ instances: 5 });
  });

  test("a pause does not take instances away", () => {
    expect(recommend(policy, { latest: 0, panicMean: 0, stableMean: 300 }, 4)).toMatchObject({
      instances: 4,
    });
  });

  test("a low watermark of 0 keeps what is there", () => {
    expect(recommend({ ...policy, lowWatermark: 0 }, steady(1), 4)).toMatchObject({ instances: 4 });
  });
});

describe("Window", () => {
  test("means and finds the greatest of its span only", () => {
    const window = new Window(6_000);
    for (let second = 0; second < 10; second++) window.add(second, second * 1_000);
    expect(window.mean(9_000)).toBe(6.5);
    expect(window.most(9_000)).toBe(9);
    expect(window.mean(12_000)).toBe(8);
    expect(window.mean(60_000)).toBeUndefined();
  });

  test("forgets a future that the clock has taken back", () => {
    const window = new Window(6_000);
    window.add(5, 100_000);
    window.add(7, 50_000);
    expect(window.mean(50_000)).toBe(7);
  });
});

/** Runs an autoscaler over load by second; instances are there at once. @returns how many were wanted at each second. */
function run(loads: readonly number[], over: Partial<Policy> = {}): number[] {
  const scaler = new Autoscaler({ ...policy, ...over });
  let have = 1;
  return loads.map((load, second) => {
    scaler.observe(load, second * 1_000);
    have = scaler.wanted(have, second * 1_000).instances;
    return have;
  });
}

const times = (count: number, value: number) => Array.from({ length: count }, () => value);

describe("Autoscaler", () => {
  test("answers a burst with the report that brings it", () => {
    expect(run([1, 1, 1_000])).toEqual([1, 1, 13]);
  });

  test("stays between minimum and maximum", () => {
    expect(run([1, 1_000], { maxInstances: 4 })).toEqual([1, 4]);
    expect(run([1, 0], { minInstances: 2 })).toEqual([2, 2]);
  });

  test("keeps what a burst needed for a stable window, then for the delay, then halves it", () => {
    const wanted = run([400, ...times(200, 10)]);
    expect(wanted[0]).toBe(5);
    const firstLess = wanted.findIndex((count) => count < 5);
    expect(firstLess).toBeGreaterThanOrEqual(60 + 30 - 1);
    expect(firstLess).toBeLessThan(100);
    expect(wanted[firstLess]).toBe(2);
    expect(wanted.at(-1)).toBe(1);
  });

  test("without a delay it takes away once the window is over", () => {
    const wanted = run([400, ...times(100, 10)], { scaleDownDelayMs: 0 });
    const firstLess = wanted.findIndex((count) => count < 5);
    expect(firstLess).toBeGreaterThanOrEqual(60);
    expect(firstLess).toBeLessThan(65);
  });

  test("load that swings within the band moves nothing", () => {
    const swinging = Array.from({ length: 600 }, (_, second) => 260 + 50 * Math.sin(second / 5));
    const wanted = run([320, ...swinging]);
    expect(new Set(wanted.slice(1))).toEqual(new Set([4]));
  });

  test("takes nothing away while no report comes, and keeps the last one until idleness ends it", () => {
    const scaler = new Autoscaler({ ...policy, scaleDownDelayMs: 0 });
    expect(scaler.wanted(3, 0)).toMatchObject({ instances: 3, reason: "its load is unknown" });
    for (let second = 0; second < 120; second++) scaler.observe(0, second * 1_000);
    expect(scaler.wanted(3, 130_000).instances).toBe(3);
    expect(scaler.wanted(3, 119_000).instances).toBe(1);
    expect(scaler.wanted(1, 119_000)).toMatchObject({ instances: 1, unsettled: false });
    expect(scaler.wanted(0, 119_000)).toMatchObject({ instances: 0, unsettled: false });
  });

  test("what replaces a lost instance asks for no more while no report comes, nor with the first one", () => {
    const scaler = new Autoscaler({ ...policy, minInstances: 1 });
    expect(scaler.wanted(2, 0).instances).toBe(2);
    // The lost one is listed yet.
    expect(scaler.wanted(3, 100).instances).toBe(2);
    scaler.observe(1, 200);
    expect(scaler.wanted(3, 200).instances).toBe(2);
  });

  test("one that is counted at first and does not run is not replaced", () => {
    const scaler = new Autoscaler({ ...policy, minInstances: 1 });
    expect(scaler.wanted(3, 0, false).instances).toBe(3);
    scaler.observe(1, 100);
    expect(scaler.wanted(3, 100, false)).toMatchObject({ instances: 3, unsettled: true });
    expect(scaler.wanted(2, 200).instances).toBe(2);
    // From now on it is known.
    expect(scaler.wanted(3, 300, false).instances).toBe(2);
    expect(scaler.wanted(1, 400, false).instances).toBe(2);
  });

  test("a burst does not wait until all that is counted is known to run", () => {
    const scaler = new Autoscaler(policy);
    scaler.observe(1_000, 100);
    expect(scaler.wanted(2, 100, false).instances).toBe(13);
  });

  test("more than the fewest are looked at again though no report comes: without calls none does", () => {
    const scaler = new Autoscaler({ ...policy, minInstances: 2 });
    expect(scaler.wanted(3, 0).unsettled).toBe(true);
    expect(new Autoscaler({ ...policy, minInstances: 2 }).wanted(2, 0).unsettled).toBe(false);
  });

  test("takes nothing away before it has seen a whole window, as when it has just begun to lead", () => {
    const scaler = new Autoscaler({ ...policy, scaleDownDelayMs: 0 });
    for (let second = 0; second < 60; second++) {
      scaler.observe(10, second * 1_000);
      expect(scaler.wanted(4, second * 1_000).instances).toBe(4);
    }
    scaler.observe(10, 60_000);
    expect(scaler.wanted(4, 60_000).instances).toBe(2);
  });

  test("instances that go, fail or are to be replaced do not change what the load needs", () => {
    const scaler = new Autoscaler(policy);
    scaler.observe(270, 1_000);
    expect(scaler.wanted(4, 1_000).instances).toBe(4);
    // One leaves and its successor starts; one has failed.
    expect(scaler.wanted(5, 1_000).instances).toBe(4);
    expect(scaler.wanted(3, 1_000).instances).toBe(4);
  });

  test("begins anew after it went back to nothing", () => {
    const scaler = new Autoscaler(policy);
    scaler.observe(1_000, 1_000);
    expect(scaler.wanted(1, 1_000).instances).toBe(13);
    for (let second = 2; second < 10; second++) scaler.observe(0, second * 1_000);
    expect(scaler.wanted(13, 9_000).instances).toBe(13);
    expect(scaler.wanted(0, 9_000).instances).toBe(0);
    expect(scaler.wanted(1, 9_000).instances).toBe(1);
  });

  test("says when the minimum alone keeps them", () => {
    const scaler = new Autoscaler({ ...policy, minInstances: 3 });
    scaler.observe(10, 1_000);
    expect(scaler.wanted(1, 1_000)).toMatchObject({ instances: 3, reason: "3 are the fewest there may be" });
  });

  test("follows another policy at once", () => {
    const scaler = new Autoscaler(policy);
    scaler.observe(300, 1_000);
    expect(scaler.wanted(4, 1_000).instances).toBe(4);
    scaler.setPolicy({ ...policy, targetConcurrency: 10, maxInstances: 8 });
    expect(scaler.wanted(4, 1_000)).toMatchObject({
      instances: 8,
      reason: "38 would be needed, 8 are the most there may be",
    });
    scaler.setPolicy({ ...policy, maxInstances: 3 });
    expect(scaler.wanted(4, 1_000).instances).toBe(3);
  });
});
