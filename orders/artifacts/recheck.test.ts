import { once } from "node:events";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Recheck } from "./recheck.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("contents are read one at a time, and with the end the one that is read and all to come are let go of", async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const read = async (digest: string, signal: AbortSignal) => {
    begun.push(digest);
    if (digest !== "short") await once(signal, "abort");
    ended.push(digest);
  };
  const recheck = new Recheck(read, pino({ level: "silent" }));
  for (const digest of ["short", "long", "waits"]) recheck.soon(digest);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([begun, ended]).toEqual([["short", "long"], ["short"]]);
  recheck.soon("late");
  recheck.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([begun, ended]).toEqual([
    ["short", "long"],
    ["short", "long"],
  ]);
});
