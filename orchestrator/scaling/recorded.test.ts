import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRecordedLoads, RecordedLoads } from "./recorded.ts";

const HOUR_MS = 3_600_000;
const name = { service: "a.v1.A", version: "1.0.0" };
const log = pino({ level: "silent" });
let folder: string;
let file: string;
let loads: RecordedLoads;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rouse-loads-"));
  file = join(folder, "loads", "control-a.sqlite");
  loads = new RecordedLoads();
});
afterEach(() => {
  loads.close();
  rmSync(folder, { recursive: true });
});

const load = (inProgress: number, instances = 1) => ({ inProgress, issued: inProgress, instances });
const second = (atMs: number, inProgress: number) => ({
  ...{ atMs, spanMs: 1_000, inProgress, most: inProgress, issued: inProgress, instances: 1 },
});

test("keeps seconds, and means of one second that is reported twice, whenever it is written", () => {
  loads.add(name, { inProgress: 4, issued: 1, instances: 1 }, 5_100);
  loads.flush();
  loads.add(name, { inProgress: 6, issued: 2, instances: 2 }, 5_900);
  loads.add(name, { inProgress: 0, issued: 0, instances: 0 }, 7_000);
  loads.add({ ...name, version: "2.0.0" }, load(1), 5_000);
  const sample = { atMs: 5_000, spanMs: 1_000, inProgress: 5, most: 6, issued: 3, instances: 2 };
  expect(loads.of(name)).toEqual([sample]);
  expect(loads.newestMs()).toBe(5_000);
});

test("makes minutes of what is older than an hour, and forgets what is older than a day, or in a future that the clock took back", () => {
  for (let s = 0; s < 3_720; s++) loads.add(name, load(8), s * 1_000);
  loads.tidy(3_720_000);
  const samples = loads.of(name);
  const minute = { spanMs: 60_000, inProgress: 8, most: 8, issued: 480, instances: 1 };
  expect(samples.slice(0, 3)).toEqual([
    { atMs: 0, ...minute },
    { atMs: 60_000, ...minute },
    second(120_000, 8),
  ]);
  expect(samples.reduce((sum, { spanMs }) => sum + spanMs, 0)).toBe(3_720_000);
  loads.tidy(HOUR_MS);
  expect(loads.newestMs()).toBeLessThanOrEqual(HOUR_MS + 60_000);
  loads.tidy(27 * HOUR_MS);
  expect(loads.of(name)).toEqual([]);
});

test("makes minutes also of seconds that come when others of their time are minutes already", () => {
  const late = { ...name, version: "2.0.0" };
  for (let s = 0; s < 120; s++) loads.add(name, load(8), s * 1_000);
  loads.tidy(2 * HOUR_MS);
  loads.take([{ ...late, ...second(61_000, 6) }]);
  loads.tidy(2 * HOUR_MS);
  expect(loads.of(late)).toEqual([
    { atMs: 60_000, spanMs: 60_000, inProgress: 0.1, most: 6, issued: 6, instances: 1 },
  ]);
  expect(loads.of(name)).toHaveLength(2);
});

test("keeps the versions that were used last", () => {
  for (let n = 0; n < 600; n++) loads.add({ service: "a.v1.A", version: `${n}.0.0` }, load(1), n * 1_000);
  loads.tidy(600_000);
  expect(loads.since(0, 1_000)).toHaveLength(500);
  expect(loads.of({ service: "a.v1.A", version: "99.0.0" })).toEqual([]);
  expect(loads.of({ service: "a.v1.A", version: "100.0.0" })).toHaveLength(1);
  // Those of a day ago take no place any more, nor does what a clock was ahead of.
  const later = 25 * HOUR_MS + 540_000;
  const addOthers = (from: number, to: number) => {
    for (let n = from; n < to; n++)
      loads.add({ service: "b.v1.B", version: `${n}.0.0` }, load(1), later - 1_000);
  };
  loads.add({ service: "a.v1.A", version: "600.0.0" }, load(1), later + HOUR_MS);
  loads.tidy(later);
  expect(loads.since(0, 1_000)).toHaveLength(60);
  addOthers(0, 430);
  loads.tidy(later);
  expect(loads.since(0, 1_000)).toHaveLength(490);
  addOthers(430, 450);
  loads.tidy(later);
  expect(loads.since(0, 1_000)).toHaveLength(500);
  loads.tidy(later + 60_000);
  addOthers(450, 500);
  loads.tidy(later + 60_000);
  const left = loads.since(0, 1_000);
  expect([left.length, new Set(left.map(({ service }) => service))]).toEqual([500, new Set(["b.v1.B"])]);
});

test("another orchestrator takes it page by page, and what it takes again changes nothing", () => {
  for (let s = 0; s < 10; s++) loads.add(name, load(s + 1), s * 1_000);
  const follower = new RecordedLoads();
  for (const sinceMs of [0, 4_000, 4_000, 0]) follower.take(loads.since(sinceMs, 6));
  expect(follower.of(name)).toEqual(loads.of(name));
  // Whoever made a minute of it first.
  follower.tidy(10 * 60_000 + HOUR_MS);
  const [minute, ...others] = follower.of(name);
  expect(others).toEqual([]);
  expect(minute).toMatchObject({ spanMs: 60_000, inProgress: 55 / 60 });
  follower.take(loads.since(0, 100));
  expect(follower.of(name)).toEqual([minute]);
  loads.take(follower.since(0, 100));
  expect(loads.of(name)).toEqual([minute]);
  follower.close();
});

describe("in a file", () => {
  test("outlives its process, also one that is killed", () => {
    const former = openRecordedLoads(file, 10_000, log);
    former.add(name, load(3), 5_000);
    former.flush();
    const next = openRecordedLoads(file, 10_000, log);
    expect(next.of(name)).toEqual([second(5_000, 3)]);
    next.close();
    former.close();
  });

  test("that is broken is begun anew, and where there can be none it is kept in memory", () => {
    openRecordedLoads(file, 10_000, log).close();
    writeFileSync(file, "no database, and longer than the header of one would be: ".repeat(100));
    for (const path of [file, join(file, "below-a-file")]) {
      const anew = openRecordedLoads(path, 10_000, log);
      anew.add(name, load(3), 5_000);
      expect(anew.of(name)).toEqual([second(5_000, 3)]);
      anew.close();
    }
  });
});
