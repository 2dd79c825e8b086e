import { expect, test } from "vitest";
import { Host, type HostInstance } from "#proto/rouse/catalog/v1/catalog.ts";
import { jobProgress } from "./host-jobs.ts";
import { hostLines } from "./host-lines.ts";
import { notEmpty, progress } from "./host-modes.ts";

const host = (name: string, changes: Partial<Host> = {}) =>
  Host.fromPartial({
    ...{ name, runtime: "process", cpu: 4, cpuUsed: 0.3, memoryBytes: 2 ** 32, memoryUsedBytes: 2 ** 28 },
    ...{ healthy: true, reachable: true, speed: 1, mode: { mode: "active" } },
    ...changes,
  });
const one = (id: string, draining = false): HostInstance => ({
  ...{ id, service: "a.B", version: "1.0.0", healthy: true, draining, standby: false },
  ...{ condition: "", conditionReason: "" },
});
const at = Date.UTC(2026, 0, 2, 3, 4, 5);

test("hosts are listed with what they have, and what is out of the ordinary is said", () => {
  const lines = hostLines([
    host("a", {
      zone: "eu-1",
      costPerHour: 0.25,
      speed: 1.5,
      gpu: 1,
      instances: 3,
      standby: 1,
      labels: { disk: "ssd" },
    }),
    host("b", { mode: { mode: "draining", reason: "new disk", atMs: at, deadlineMs: at + 60_000 } }),
    host("c", { reachable: false, healthy: false, lostAtMs: at }),
    host("d", { healthy: false, lostAtMs: at }),
    host("e", { healthy: false, condition: "suspect", conditionReason: "3 starts failed" }),
    host("f", { reachable: false, healthy: false }),
  ]);
  expect(lines).toEqual([
    "HOST  STATE     ZONE  CORES     MEMORY            GPU  COST/H  SPEED  RUNTIME  RUNS  STANDBY  LABELS",
    "a     active    eu-1  0.3 of 4  256 of 4,096 MiB  1    0.25    1.5    process  3     1        disk=ssd",
    "b     draining  -     0.3 of 4  256 of 4,096 MiB  -    -       1      process  0     -",
    "c     dead      -     0.3 of 4  256 of 4,096 MiB  -    -       1      process  0     -",
    "d     settling  -     0.3 of 4  256 of 4,096 MiB  -    -       1      process  0     -",
    "e     no agent  -     0.3 of 4  256 of 4,096 MiB  -    -       1      process  0     -",
    "f     silent    -     0.3 of 4  256 of 4,096 MiB  -    -       1      process  0     -",
    "",
    "b is draining since 2026-01-02T03:04:05Z: new disk; no instance is left",
    "c was declared dead at 2026-01-02T03:04:05Z: its instances are replaced elsewhere",
    "d was declared dead at 2026-01-02T03:04:05Z, is back, and stops what was replaced elsewhere",
    "e is suspect: 3 starts failed",
  ]);
  const draining = { mode: "draining", reason: "new disk", atMs: at, deadlineMs: at + 60_000 };
  expect(hostLines([host("g", { mode: draining, running: [one("x"), one("y")] })]).at(-1)).toBe(
    "g is draining since 2026-01-02T03:04:05Z: new disk; its 2 instances have until 2026-01-02T03:05:05Z",
  );
  const maintenance = { ...draining, mode: "maintenance" };
  expect(hostLines([host("h", { mode: maintenance, running: [one("x")] })]).at(-1)).toBe(
    "h is in maintenance since 2026-01-02T03:04:05Z: new disk; its instance has until 2026-01-02T03:05:05Z",
  );
  expect(hostLines([])).toEqual(['no host: no agent has registered; "rouse up" or "rouse agent" starts one']);
});

test("the jobs that a drain waits for are told one by one", () => {
  const job = (id: string) => ({ id, service: "a.B", version: "1.0.0", method: "Align" });
  expect(jobProgress("h", undefined, [])).toEqual([]);
  expect(jobProgress("h", undefined, [job("x")])).toEqual([
    ...["h waits for 1 job to end:", "  job x (a.B/Align 1.0.0)"],
  ]);
  expect(jobProgress("h", [job("x"), job("y"), job("z")], [job("y")])).toEqual([
    ...["job x (a.B/Align 1.0.0) has ended; 2 jobs to go", "job z (a.B/Align 1.0.0) has ended; 1 job to go"],
  ]);
});

test("the progress of a drain is told instance by instance", () => {
  expect(notEmpty("h", [one("x"), one("y")]).message).toBe(
    'Host h still has x, y after the deadline. It goes on being drained; "rouse hosts" and "rouse status" say more.',
  );
  expect(progress("h", undefined, [])).toEqual([]);
  expect(progress("h", undefined, [one("x"), one("y")])).toEqual([
    ...["h has 2 instances to give up:", "  x (a.B 1.0.0)", "  y (a.B 1.0.0)"],
  ]);
  expect(progress("h", [one("x"), one("y")], [one("x"), one("y", true)])).toEqual([
    "y (a.B 1.0.0) takes no new calls",
  ]);
  expect(progress("h", [one("x"), one("y", true), one("z")], [one("x")])).toEqual([
    ...["y (a.B 1.0.0) has left; 2 instances to go", "z (a.B 1.0.0) has left; 1 instance to go"],
  ]);
});
