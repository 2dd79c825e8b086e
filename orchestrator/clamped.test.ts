import { expect, test } from "vitest";
import { manifest, version } from "../mesh-config/testing/state.ts";
import { Ends } from "../registry/ends.ts";
import type { Activation, InstanceState } from "../registry/state.ts";
import { clamped } from "./clamped.ts";

const HOUR_MS = 3_600_000;
const name = ["a.v1.A", "1.0.0"] as const;
const ends = new Ends();
const look = (nowMs: number, activation: Activation, instances: readonly InstanceState[] = []) =>
  clamped(...name, version(manifest(...name), activation, instances), ends, nowMs);
const failed = (retryAtMs: number, failures: number): Activation => ({
  generation: 3,
  failures,
  failure: { status: "UNAVAILABLE", message: "it exited", retryAtMs },
});
const frozen = (sinceMs: number, lastUsedMs: number): InstanceState => ({
  ...{ id: "i", generation: 3, host: "h", runtime: "process", address: "127.0.0.1:1", healthy: true },
  ...{ draining: false, standby: { sinceMs, lastUsedMs } },
});

test("a back-off that was written by a clock an hour ahead ends within its span, by the count of failures", () => {
  const endOf = (nowMs: number, failures: number, atMs = nowMs) =>
    look(atMs, failed(nowMs + HOUR_MS + 1_000, failures)).activation.failure?.retryAtMs;
  expect(endOf(1_000, 1)).toBe(3_000);
  expect(endOf(1_000, 1, 2_500)).toBe(3_000);
  expect(endOf(1_000, 3, 2_600)).toBe(3_000);
  expect(endOf(50_000, 3)).toBe(58_000);
  expect(look(1_000, failed(1_500, 1)).activation.failure?.retryAtMs).toBe(1_500);
  expect(look(1_000, { generation: 1 }).activation).toEqual({ generation: 1 });
});

test("a standby begins when it is seen, at the latest, and not before it was used", () => {
  const sinceOf = (nowMs: number, sinceMs: number, usedMs: number) =>
    look(nowMs, { generation: 3 }, [frozen(sinceMs, usedMs)]).instances[0]?.standby?.sinceMs;
  expect(sinceOf(HOUR_MS, 1_000, 500)).toBe(1_000);
  // By the clock of its host, which is an hour ahead.
  expect(sinceOf(2_000, HOUR_MS, 500)).toBe(2_000);
  expect(sinceOf(9_000, HOUR_MS, 500)).toBe(2_000);
  // Its host's is an hour behind.
  expect(sinceOf(2 * HOUR_MS, HOUR_MS, 2 * HOUR_MS - 500)).toBe(2 * HOUR_MS - 500);
});
