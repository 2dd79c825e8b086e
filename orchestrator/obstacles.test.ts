import { expect, test } from "vitest";
import { manifest, version } from "../mesh-config/testing/state.ts";
import type { Activation, VersionState } from "../registry/state.ts";
import { obstacles } from "./obstacles.ts";

const NOW = 1_000_000;

function said(
  activation: Partial<Activation>,
  over: Partial<VersionState> = {},
  count = 0,
  startAgainMs = 0,
) {
  const state = { ...version(manifest("a.v1.A", "1.0.0"), { generation: 1, ...activation }), ...over };
  return obstacles(state, { count, startAgainMs }, NOW);
}

test("nothing keeps a version that is well from having one more", () => {
  expect(said({})).toEqual([]);
  expect(said({}, {}, 3, NOW)).toEqual([]);
});

test("one that is stopped, and one that may not run, say how they come to run", () => {
  expect(said({ stopped: { reason: "it is broken", atMs: NOW - 300_000 } })).toEqual([
    'It was stopped 5 min ago: it is broken. "rouse start a.v1.A 1.0.0" lets it run again.',
  ]);
  expect(said({}, { barred: true, approval: "pending" })).toEqual([
    'a.v1.A 1.0.0 awaits approval and does not run until then. Call another version; "rouse reviews" shows what is open.',
  ]);
  expect(said({}, { barred: true, approval: "denied" })[0]).toMatch(/^a\.v1\.A 1\.0\.0 was denied approval/);
});

test("one in a crash loop says until when, its last output, and where there is more", () => {
  const message =
    "it is crash-looping, 3 times in a row it ended soon after it began to serve, the last time after 2 s: it exited with code 4. Its last output:\nthe disk is full (host a)";
  const failure = { status: "UNAVAILABLE", message, retryAtMs: NOW + 8_000, crashes: 3 };
  expect(said({ failure })).toEqual([
    `I${message.slice(1)}.\nIt is tried again with the next call after 8 s, or by "rouse start a.v1.A 1.0.0"; "rouse logs a.v1.A --version 1.0.0" shows what it wrote.`,
  ]);
  expect(said({ failure: { ...failure, crashes: 9, final: true } })[0]).toMatch(
    /\nIt waits for "rouse start a\.v1\.A 1\.0\.0"; "rouse logs/,
  );
});

test("one whose start failed says why, and when the next is tried, also beside those that serve", () => {
  const failure = { status: "UNAVAILABLE", message: "no host fits", retryAtMs: NOW + 4_000 };
  expect(said({ failure })[0]).toMatch(/^Its start failed: no host fits\.\nIt is tried again .* after 4 s/);
  expect(said({}, {}, 1, NOW + 16_000)).toEqual(["The last start failed: the next is tried in 16 s."]);
});

test("one that has as many as it may says how to allow more", () => {
  expect(said({}, {}, 4)).toEqual([
    'It has as many instances as it may: 4 of 4. "rouse tune a.v1.A 1.0.0 --max 5" allows one more.',
  ]);
});
