import { describe, expect, test } from "vitest";
import { HealthProbe, type InstanceHealth } from "#proto/rouse/agent/v1/agent.ts";
import { assess, CallWindow, type Seen } from "./assess.ts";

const WATCHED = Number.POSITIVE_INFINITY;

function seen(vitals: Partial<InstanceHealth>, more: Partial<Seen> = {}): Seen {
  const well = {
    probe: HealthProbe.SERVING,
    loopDelayMs: 0,
    silentMs: 0,
    queue: 0,
    inProgress: 0,
    ended: false,
  };
  return {
    vitals: { instanceId: "a", ...well, ...vitals },
    calls: { begun: 0, errors: 0 },
    inProgress: 0,
    targetConcurrency: 10,
    leftOut: [],
    doubtful: new Set(),
    onProbation: false,
    ...more,
  };
}

/** The Envoys of these hosts leave it out, each for so many times. */
function leftOut(by: Readonly<Record<string, number>>): Pick<Seen, "leftOut"> {
  const why = "after 5 errors in a row";
  return {
    leftOut: Object.entries(by).map(([host, times]) => ({ host, times, why, sinceMs: 0, untilMs: 1 })),
  };
}

describe("speaks against an instance", () => {
  test.each<[string, Seen, string | undefined, number]>([
    ["nothing when all is well", seen({}), undefined, 0],
    ["nothing before its agent says anything", { ...seen({}), vitals: undefined }, undefined, 0],
    ["no answer", seen({ probe: HealthProbe.UNREACHABLE }), "its health check does not get through", 3_000],
    ["its own word", seen({ probe: HealthProbe.NOT_SERVING }), "its health check says NOT_SERVING", 30_000],
    ["silence", seen({ silentMs: 12_300 }), "its event loop has been blocked for 12.3 s", 3_000],
    ["a very late event loop", seen({ loopDelayMs: 1_500 }), "its event loop is late by 1.5 s", 10_000],
    ["a late event loop, with few calls", seen({ loopDelayMs: 300 }), undefined, 0],
    ["many calls, done in time", seen({}, { inProgress: 50 }), undefined, 0],
    [
      "too many calls",
      seen({ loopDelayMs: 1_300 }, { inProgress: 11 }),
      "it is congested: 11 calls in progress where 10 are aimed at, and its event loop is late by 1.3 s",
      WATCHED,
    ],
    [
      "a queue",
      seen({ loopDelayMs: 300, queue: 7 }, { inProgress: 4 }),
      "it is congested: 4 calls in progress where 10 are aimed at, 7 more wait, and its event loop is late by 0.3 s",
      WATCHED,
    ],
    [
      "errors",
      seen({}, { calls: { begun: 10, errors: 5 } }),
      "5 of its last 10 calls ended with a gateway or server error",
      2_000,
    ],
    ["a few errors", seen({}, { calls: { begun: 11, errors: 5 } }), undefined, 0],
    [
      "one Envoy that leaves it out",
      seen({}, leftOut({ x: 1 })),
      "the Envoy of host x left it out after 5 errors in a row",
      WATCHED,
    ],
    [
      "one Envoy, while it is on probation",
      seen({}, { ...leftOut({ x: 1 }), onProbation: true }),
      "the Envoy of host x left it out after 5 errors in a row",
      5_000,
    ],
    [
      "one Envoy again",
      seen({}, leftOut({ x: 2 })),
      "the Envoy of host x left it out 2 times within two minutes, the last time after 5 errors in a row",
      5_000,
    ],
    [
      "the Envoys of two hosts",
      seen({}, leftOut({ y: 1, x: 1 })),
      "the Envoys of hosts x, y left it out after 5 errors in a row",
      5_000,
    ],
    [
      "an Envoy of which one does not know",
      seen({}, { ...leftOut({ x: 3 }), doubtful: new Set(["x"]) }),
      "the Envoy of host x left it out after 5 errors in a row, as it did others on other hosts, so that it may be that host's network",
      WATCHED,
    ],
    [
      "one that one knows, and one of which one does not",
      seen({}, { ...leftOut({ x: 3, y: 1 }), doubtful: new Set(["x"]) }),
      "the Envoy of host y left it out after 5 errors in a row",
      WATCHED,
    ],
    [
      "its own word before that of one Envoy",
      seen({ probe: HealthProbe.NOT_SERVING }, leftOut({ x: 1 })),
      "its health check says NOT_SERVING",
      30_000,
    ],
    [
      "errors, and an Envoy that leaves it out for them",
      seen({}, { calls: { begun: 10, errors: 5 }, ...leftOut({ x: 1 }) }),
      "5 of its last 10 calls ended with a gateway or server error; the Envoy of host x left it out after 5 errors in a row",
      2_000,
    ],
    ["four calls that failed", seen({}, { calls: { begun: 4, errors: 4 } }), undefined, 0],
  ])("%s", (_, given, bad, patienceMs) => {
    expect(assess(given)).toEqual({ bad, patienceMs });
  });
});

test("calls count for ten seconds, and each report once", () => {
  const window = new CallWindow();
  expect(window.expiresMs).toBe(Number.POSITIVE_INFINITY);
  window.add({ inProgress: 1, issued: 4, errors: 1 }, 1_000);
  window.add({ inProgress: 1, issued: 4, errors: 1 }, 1_010);
  window.add({ inProgress: 1, issued: 2, errors: 2 }, 2_000);
  expect(window.sum(11_000)).toEqual({ begun: 6, errors: 3 });
  expect(window.expiresMs).toBe(11_001);
  expect(window.sum(11_001)).toEqual({ begun: 2, errors: 2 });
  window.clear();
  expect(window.sum(11_001)).toEqual({ begun: 0, errors: 0 });
});
