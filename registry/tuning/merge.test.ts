import { describe, expect, test } from "vitest";
import { sampleManifest } from "../testing/sample.ts";
import { contradiction, effective, tuned } from "./merge.ts";

const { descriptorSet: _, ...manifest } = sampleManifest();
const scaling = {
  highWatermark: 0.9,
  lowWatermark: 0.4,
  stableWindowMs: 10_000,
  panicWindowMs: 2_000,
  scaleDownDelayMs: 0,
};

describe("what holds", () => {
  test("is the contract's, and the defaults where it says nothing", () => {
    const { values, origins } = effective(manifest, {});
    expect(values).toEqual({
      targetConcurrency: 10,
      minInstances: 0,
      maxInstances: 4,
      idleTimeoutMs: 60_000,
      highWatermark: 0.8,
      lowWatermark: 0.5,
      stableWindowMs: 60_000,
      panicWindowMs: 6_000,
      scaleDownDelayMs: 30_000,
      workers: 1,
      pinCores: 0,
    });
    expect(origins).toMatchObject({ targetConcurrency: "contract", highWatermark: "default" });
    expect(effective({ ...manifest, scaling }, {}).origins.highWatermark).toBe("contract");
  });

  test("is what was set for the version, then for the service, then the contract's", () => {
    const { values, origins } = effective(manifest, {
      service: { maxInstances: 9, targetConcurrency: 5 },
      version: { maxInstances: 7 },
    });
    expect(values).toMatchObject({ maxInstances: 7, targetConcurrency: 5, minInstances: 0 });
    expect(origins).toMatchObject({
      maxInstances: "version",
      targetConcurrency: "service",
      minInstances: "contract",
    });
  });
});

test("the tuned manifest keeps all the rest", () => {
  expect(tuned(manifest, { version: { targetConcurrency: 3 } })).toMatchObject({
    ...manifest,
    targetConcurrency: 3,
    scaling: { highWatermark: 0.8, lowWatermark: 0.5 },
  });
});

test("workers keep the kind that the contract says", () => {
  expect(tuned(manifest, { version: { maxInstances: 9 } }).workers).toBeUndefined();
  expect(tuned(manifest, { version: { workers: 4 } }).workers).toEqual({ kind: "processes", count: 4 });
  expect(tuned(manifest, { version: { pinCores: 1 } }).workers).toEqual({
    kind: "processes",
    count: 1,
    pinCores: true,
  });
  const threads = { ...manifest, workers: { kind: "threads", count: 2 } as const };
  expect(tuned(threads, { service: { workers: 3 } }).workers).toEqual({ kind: "threads", count: 3 });
});

test("a version that came after the tuning of its service is not torn by it", () => {
  const service = { maxInstances: 2, highWatermark: 0.4, stableWindowMs: 5_000 };
  const later = tuned({ ...manifest, minInstances: 3 }, { service });
  expect(later).toMatchObject({ minInstances: 2, maxInstances: 2 });
  expect(later.scaling?.lowWatermark).toBeCloseTo(0.35);
  expect(later.scaling?.panicWindowMs).toBe(5_000);
});

test.each([
  [{ minInstances: 5 }, "min_instances 5 would be more than max_instances 4"],
  [{ lowWatermark: 0.8 }, "low_watermark 0.8 would not be less than high_watermark 0.8"],
  [{ stableWindowMs: 3_000 }, "panic_window 6000 ms would be longer than stable_window 3000 ms"],
  [{ targetConcurrency: 1 }, undefined],
])("%j contradicts: %s", (version, fault) => {
  expect(contradiction(effective(manifest, { version }).values)).toBe(fault);
});
