import { expect, test } from "vitest";
import { clusterName } from "../registry/target.ts";
import { Wakes } from "./wakes.ts";

const target = { service: "echo.v1.Echo", version: "1.0.0", generation: 1 };
const name = clusterName(target);
const start = (atMs: number) => ({
  ...{ placedMs: atMs, createdMs: atMs + 1, startedMs: atMs + 2, readyMs: atMs + 3 },
});

let nowMs = 0;
function heldAt(ms: number): Wakes {
  nowMs = ms;
  const wakes = new Wakes(() => nowMs);
  wakes.held(target);
  return wakes;
}

function release(wakes: Wakes, atMs: number): void {
  nowMs = atMs;
  wakes.reached(name, "pushedMs");
  wakes.released(name);
}

test("the times of a start may come a moment after the calls were released", () => {
  const wakes = heldAt(1_000);
  release(wakes, 1_050);
  wakes.times(name, start(1_010), "a");
  expect(wakes.list("", 0)).toMatchObject([{ host: "a", ...start(1_010), releasedMs: 1_050 }]);
});

test("a start of the same generation after the wake, as by scaling, changes nothing of it", () => {
  const wakes = heldAt(1_000);
  wakes.times(name, start(1_010), "a");
  release(wakes, 1_050);
  wakes.times(name, start(60_000), "b");
  expect(wakes.list("", 0)).toMatchObject([{ host: "a", ...start(1_010), releasedMs: 1_050 }]);
});

test("while calls are held the latest try counts, and after a failure no other start", () => {
  const wakes = heldAt(1_000);
  wakes.times(name, { placedMs: 1_001 }, "a");
  wakes.times(name, { placedMs: 1_020 }, "b");
  wakes.failed(name, "it exited");
  wakes.times(name, start(60_000), "c");
  expect(wakes.list("", 0)).toMatchObject([{ host: "b", placedMs: 1_020, readyMs: 0, error: "it exited" }]);
});
