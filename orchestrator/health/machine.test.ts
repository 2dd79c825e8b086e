import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Condition, HealthRecord } from "../../registry/health-record.ts";
import {
  canSpare,
  condemned,
  HOST_LIMITS,
  healthy,
  INSTANCE_LIMITS,
  nextChangeMs,
  quarantineMs,
  step,
  takenOver,
  type Verdict,
} from "./machine.ts";

const good: Verdict = { bad: undefined, patienceMs: 3_000 };
const bad: Verdict = { bad: "it answers with errors", patienceMs: 3_000 };
const watched: Verdict = { bad: "its siblings do no better", patienceMs: Number.POSITIVE_INFINITY };
const at = (condition: Condition, more: Partial<HealthRecord> = {}): HealthRecord => ({
  condition,
  sinceMs: 0,
  reason: condition === "healthy" ? "" : "before",
  strikes: 0,
  ...more,
});

describe("what follows what", () => {
  test.each<[string, HealthRecord, Verdict, number, boolean, Condition, number]>([
    ["well", at("healthy"), good, 1, true, "healthy", 0],
    ["the first bad sign", at("healthy"), bad, 1, true, "suspect", 0],
    ["a bad sign, not for long", at("suspect"), bad, 2_999, true, "suspect", 0],
    ["bad for too long", at("suspect"), bad, 3_000, true, "quarantined", 1],
    ["bad, but nobody else serves", at("suspect"), bad, 60_000, false, "suspect", 0],
    ["well again, not for long", at("suspect", { badAtMs: 1_000 }), good, 5_999, true, "suspect", 0],
    ["well again", at("suspect", { badAtMs: 1_000 }), good, 6_000, true, "healthy", 0],
    ["quarantined", at("quarantined", { untilMs: 10_000, strikes: 1 }), good, 9_999, true, "quarantined", 1],
    [
      "a quarantine is over",
      at("quarantined", { untilMs: 10_000, strikes: 1 }),
      good,
      10_000,
      true,
      "probation",
      1,
    ],
    [
      "still bad at its end",
      at("quarantined", { untilMs: 10_000, strikes: 1 }),
      bad,
      10_000,
      true,
      "quarantined",
      2,
    ],
    ["bad on probation", at("probation", { untilMs: 15_000, strikes: 1 }), bad, 1, false, "quarantined", 2],
    ["on probation", at("probation", { untilMs: 15_000, strikes: 1 }), good, 14_999, true, "probation", 1],
    [
      "probation is passed",
      at("probation", { untilMs: 15_000, strikes: 1 }),
      good,
      15_000,
      true,
      "healthy",
      1,
    ],
    [
      "watched on probation",
      at("probation", { untilMs: 15_000, strikes: 1 }),
      watched,
      1,
      true,
      "probation",
      1,
    ],
    [
      "watched at a quarantine's end",
      at("quarantined", { untilMs: 9, strikes: 1 }),
      watched,
      9,
      true,
      "probation",
      1,
    ],
    ["watched for long", at("suspect"), watched, 1e9, true, "suspect", 0],
    ["once too often", at("probation", { untilMs: 15_000, strikes: 3 }), bad, 1, true, "retired", 4],
    ["retired", at("retired", { strikes: 4 }), good, 1e9, true, "retired", 4],
    ["forgiven", at("healthy", { strikes: 2 }), good, 600_000, true, "healthy", 0],
  ])("%s", (_, record, verdict, nowMs, mayLeave, condition, strikes) => {
    const next = step(record, verdict, nowMs, mayLeave);
    expect(next.condition).toBe(condition);
    expect(next.strikes).toBe(strikes);
  });
});

test("each quarantine is twice as long as the last, and 5 min at most", () => {
  expect([1, 2, 3, 4, 6, 60].map((strikes) => quarantineMs(strikes))).toEqual([
    10_000, 20_000, 40_000, 80_000, 300_000, 300_000,
  ]);
});

test("a host is never retired", () => {
  const record = at("probation", { untilMs: 1, strikes: 99 });
  expect(step(record, bad, 1, true, HOST_LIMITS)).toMatchObject({ condition: "quarantined", strikes: 100 });
});

test("the only instance is condemned, not quarantined, until another serves", () => {
  const suspect = step(healthy(0), bad, 0, false);
  const later = step(suspect, bad, 5_000, false);
  expect(condemned(suspect, bad, 0)).toBe(false);
  expect(condemned(later, bad, 5_000)).toBe(true);
  expect(step(later, bad, 6_000, true)).toMatchObject({ condition: "quarantined", untilMs: 16_000 });
});

test.each([
  [0, 0, false],
  [1, 0, true],
  [1, 1, false],
  [2, 1, true],
  [2, 2, false],
  [3, 0, true],
])("%i others serve and %i are out: one more may go? %s", (usable, out, may) => {
  expect(canSpare(usable, out)).toBe(may);
});

/** Any history: how long after the last, what was seen, and whether it could be spared. */
const history = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 30_000 }),
    isBad: fc.boolean(),
    patienceMs: fc.constantFrom(0, 3_000, 10_000),
    mayLeave: fc.boolean(),
  }),
  { maxLength: 80 },
);

function play(events: typeof history extends fc.Arbitrary<infer T> ? T : never) {
  let nowMs = 0;
  let record = healthy(0);
  return events.map((event) => {
    nowMs += event.afterMs;
    const verdict = { bad: event.isBad ? "bad" : undefined, patienceMs: event.patienceMs };
    const before = record;
    record = step(before, verdict, nowMs, event.mayLeave);
    return { before, after: record, event, nowMs };
  });
}

const FOLLOWS: Readonly<Record<Condition, readonly Condition[]>> = {
  healthy: ["healthy", "suspect"],
  suspect: ["suspect", "healthy", "quarantined", "retired"],
  quarantined: ["quarantined", "probation", "retired"],
  probation: ["probation", "quarantined", "healthy", "retired"],
  retired: ["retired"],
};

describe("in any history", () => {
  test("only those steps are taken, and nothing that serves leaves without leave", () => {
    fc.assert(
      fc.property(history, (events) => {
        for (const { before, after, event } of play(events)) {
          expect(FOLLOWS[before.condition]).toContain(after.condition);
          const leaves = before.condition === "suspect" && after.condition === "quarantined";
          if (leaves) expect(event.mayLeave && event.isBad).toBe(true);
        }
      }),
    );
  });

  test("strikes count the quarantines, and each lasts as long as its strike says", () => {
    fc.assert(
      fc.property(history, (events) => {
        for (const { before, after, nowMs } of play(events)) {
          if (after === before) continue;
          const struck = after.strikes === before.strikes + 1;
          const forgiven = after.strikes === 0 && before.condition === "healthy";
          expect(struck || forgiven || after.strikes === before.strikes).toBe(true);
          if (struck && after.condition === "quarantined")
            expect(after.untilMs).toBe(nowMs + quarantineMs(after.strikes));
          expect(after.condition === "retired").toBe(after.strikes >= INSTANCE_LIMITS.retireAt);
        }
      }),
    );
  });

  test("who does well from now on is healthy within one quarantine, probation or pause, unless retired", () => {
    fc.assert(
      fc.property(history, (events) => {
        const last = play(events).at(-1);
        if (last === undefined || last.after.condition === "retired") return;
        let record = last.after;
        for (let steps = 0; record.condition !== "healthy" && steps < 4; steps++) {
          const dueMs = nextChangeMs(record, good);
          expect(dueMs).toBeDefined();
          record = step(record, good, Math.max(dueMs ?? 0, last.nowMs), true);
        }
        expect(record.condition).toBe("healthy");
      }),
    );
  });
});

describe("a record that a former leader wrote by its clock", () => {
  const nowMs = 10_000_000;
  const aheadMs = nowMs + 3_600_000;

  test("is as it was where its clock was ours", () => {
    const record = at("quarantined", { sinceMs: nowMs - 1, untilMs: nowMs + 9_999, strikes: 1 });
    expect(takenOver(record, nowMs)).toBe(record);
    const well = at("healthy", { sinceMs: nowMs - 1, strikes: 1 });
    expect(takenOver(well, nowMs)).toBe(well);
  });

  test.each<[string, HealthRecord, number]>([
    ["the first quarantine", at("quarantined", { strikes: 1 }), 10_000],
    ["the second", at("quarantined", { strikes: 2 }), 20_000],
    ["probation", at("probation", { strikes: 2 }), 15_000],
  ])("%s ends within its span, though that clock was an hour ahead", (_, record, spanMs) => {
    const written = { ...record, sinceMs: aheadMs, untilMs: aheadMs + spanMs, badAtMs: aheadMs };
    expect(takenOver(written, nowMs)).toEqual({
      ...record,
      sinceMs: nowMs,
      untilMs: nowMs + spanMs,
      badAtMs: nowMs,
    });
  });

  test("a host's quarantine has a span of its own", () => {
    const written = at("quarantined", { strikes: 1, sinceMs: aheadMs, untilMs: aheadMs + 60_000 });
    expect(takenOver(written, nowMs, HOST_LIMITS).untilMs).toBe(nowMs + 60_000);
  });

  test("what is forgiven after a healthy time is so, too", () => {
    const written = at("healthy", { strikes: 1, sinceMs: aheadMs });
    expect(takenOver(written, nowMs)).toEqual(at("healthy", { strikes: 1, sinceMs: nowMs }));
  });
});
