import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TuningSource_Kind } from "#proto/rouse/registry/v1/tuning.ts";
import { failure } from "../../registry/testing/rig.ts";
import { sampleManifest } from "../../registry/testing/sample.ts";
import { contractValues } from "../../registry/tuning/merge.ts";
import { compareLines } from "./compare.ts";
import { readRecording, writeRecording } from "./recording.ts";
import { addSettings, checkTogether, fieldNamed, settingsOf, tunedLines } from "./settings.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-tune-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const now = { ...contractValues(sampleManifest()) };
const samples = Array.from({ length: 60 }, (_, second) => {
  const inProgress = second < 30 ? 2 : 60;
  return {
    atMs: second * 1_000,
    spanMs: 1_000 as const,
    inProgress,
    most: inProgress,
    issued: 9,
    instances: 1,
  };
});
const recording = { schema: "rouse.load/v1" as const, service: "a.v1.A", version: "1.0.0", samples };

describe("flags", () => {
  const parse = (...args: string[]) =>
    settingsOf(
      addSettings(new Command().exitOverride().configureOutput({ writeErr: () => {} }))
        .parse(args, { from: "user" })
        .opts(),
    );

  test("set what they name", () => {
    expect(
      parse(
        "--target-concurrency",
        "50",
        "--min",
        "0",
        "--high-watermark",
        "0.9",
        "--panic-window",
        "2s",
        "--idle-timeout",
        "never",
      ),
    ).toEqual({
      targetConcurrency: 50,
      minInstances: 0,
      highWatermark: 0.9,
      panicWindowMs: 2_000,
      idleTimeoutMs: 0,
    });
    expect(parse()).toEqual({});
  });

  test.each([
    [["--high-watermark", "80"], '"80" is no share: give a number from 0 to 1, such as 0.8.'],
    [
      ["--stable-window", "soon"],
      '"soon" is no length of time: give a number and ms, s, m or h, such as 30s.',
    ],
    [["--max", "-1"], '"-1" is no count: give a whole number from 1.'],
    [["--min", "x"], '"x" is no count: give a whole number from 0.'],
  ])("%j is refused", (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  test.each([
    [{ from: "load.json" }, "--from is for a simulation: add --simulate, or leave it out."],
    [{ start: 500, max: 3 }, "--start is for a simulation: add --simulate, or leave it out."],
    [{ simulate: true, reset: ["max"] }, "--simulate changes nothing, so there is nothing to reset"],
    [{ export: "load.json", simulate: true }, "--export only writes what was recorded"],
    [{ export: "load.json", max: 3 }, "--export only writes what was recorded"],
  ])("%j would be left out of account, and is refused", (given, message) => {
    expect(() => checkTogether(given)).toThrow(message);
  });

  test("that go together are taken", () => {
    for (const given of [
      { simulate: true, from: "load.json", start: 500, max: 3 },
      { export: "load.json" },
      {},
    ])
      expect(() => checkTogether(given)).not.toThrow();
  });

  test("reset knows them by their short names", () => {
    expect(["max", "target-concurrency", "max_instances"].map(fieldNamed)).toEqual([
      "max_instances",
      "target_concurrency",
      "max_instances",
    ]);
  });
});

test("what holds is shown with where it comes from", () => {
  const source = {
    field: "max_instances",
    kind: TuningSource_Kind.SERVICE,
    by: "ann",
    atMs: 1_764_400_000_000,
  };
  const lines = tunedLines({ version: "1.0.0", settings: now, sources: [source] });
  expect(lines).toContain(
    "  max_instances       4      tuned by ann for all versions at 2025-11-29T07:06:40Z",
  );
  expect(lines.find((line) => line.includes("stable_window"))).toMatch(/1m$/);
});

describe("a comparison", () => {
  test("shows the present policy beside the other one and the ideal", () => {
    expect(compareLines(recording, now, { maxInstances: 20 }, 2_000)).toEqual([
      "a.v1.A 1.0.0: 60 s of recorded load, 60 in progress at most; a start takes 2000 ms",
      "  max_instances: 4 → 20",
      "",
      "                              NOW  THEN  IDEAL",
      "instance-seconds              146  262   210",
      "most instances                4    8     6",
      "starts                        4    8     0",
      "call-seconds over target      664  104   0",
      "seconds short of capacity     32   4     0",
      "seconds without any instance  2    2     0",
    ]);
  });

  test("of a change that contradicts itself is refused", () => {
    expect(() => compareLines(recording, now, { minInstances: 9 }, 500)).toThrow(
      "This cannot be tried: min_instances 9 would be more than max_instances 4. Set both.",
    );
  });

  test("says that nothing is recorded", () => {
    expect(compareLines({ ...recording, samples: [] }, now, {}, 500)).toEqual([
      "Nothing is recorded of a.v1.A 1.0.0: it had no load since the orchestrator leads. Call it, or name a recording by --from.",
    ]);
  });
});

test("a recording goes to a file and back; what is none is refused", async () => {
  const file = join(folder, "load.json");
  await writeRecording(file, recording);
  expect(await readRecording(file)).toEqual(recording);
  await writeFile(file, '{"samples": []}');
  const error = await failure(readRecording(file));
  expect(error).toMatchObject({ reason: "RECORDING_INVALID", status: "INVALID_ARGUMENT" });
  expect(error.message).toMatch(
    /load\.json is no recorded load .*"rouse tune SERVICE VERSION --export FILE" writes one\.$/,
  );
  expect((await failure(readRecording(join(folder, "none.json")))).message).toContain("ENOENT");
});
