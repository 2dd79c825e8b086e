import { expect, test } from "vitest";
import { memoryPressure, parseMemory, readMemory } from "./pressure.ts";

const mebibyte = 2 ** 20;
const state = (available: number, stalledPercent = 0) => ({
  totalBytes: 1_000 * mebibyte,
  availableBytes: available * mebibyte,
  stalledPercent,
});

test("below a twentieth, or what is asked for, standbys must go", () => {
  expect(memoryPressure(state(51))).toBeUndefined();
  expect(memoryPressure(state(49))).toBe(
    "49 of 1000 MiB of the host's memory are left, and 50 are to be kept free",
  );
  expect(memoryPressure(state(49), 40 * mebibyte)).toBeUndefined();
  expect(memoryPressure(state(400), 500 * mebibyte)).toContain("500 are to be kept free");
});

test("stalls count only when little is left", () => {
  expect(memoryPressure(state(500, 90))).toBeUndefined();
  expect(memoryPressure(state(150, 9))).toBeUndefined();
  expect(memoryPressure(state(150, 12.5))).toBe(
    "150 of 1000 MiB of the host's memory are left, and everything waited for memory 12.5 % of the last 10 s",
  );
});

test("reads what the kernel says", () => {
  const info = "MemTotal:       24684520 kB\nMemFree:        19863144 kB\nMemAvailable:   23641088 kB\n";
  const pressure =
    "some avg10=1.50 avg60=0.10 avg300=0.00 total=12\nfull avg10=0.75 avg60=0.00 avg300=0.00 total=3\n";
  expect(parseMemory(info, pressure)).toEqual({
    totalBytes: 24_684_520 * 1024,
    availableBytes: 23_641_088 * 1024,
    stalledPercent: 0.75,
  });
  expect(parseMemory(info, "")?.stalledPercent).toBe(0);
  expect(parseMemory("", "")).toBeUndefined();
});

test.skipIf(process.platform !== "linux")("this machine says it", async () => {
  const here = await readMemory();
  expect(here?.availableBytes).toBeGreaterThan(0);
  expect(here?.totalBytes).toBeGreaterThan(here?.availableBytes ?? 0);
});
