import { expect, test } from "vitest";
import { Trials } from "./trials.ts";

/** Tries until nothing changes, with a judge that refuses sets with a bad one. @returns what stays, and how often was asked. */
function settle(trials: Trials<number>, all: readonly number[], bad: ReadonlySet<number>) {
  for (let asked = 1; ; asked++) {
    const sent = trials.begin(all);
    const found = [...sent].find((one) => bad.has(one));
    if (found === undefined) {
      if (!trials.accepted()) return { sent: [...sent], asked };
    } else trials.refused(`not ${found}`);
    if (asked > 1_000) throw new Error("it does not end");
  }
}

const all = Array.from({ length: 100 }, (_, number) => number);

test("the bad ones are found by halves, and the rest stays", () => {
  const trials = new Trials<number>();
  const bad = new Set([3, 40, 41, 99]);
  const { sent, asked } = settle(trials, all, bad);
  expect(sent.sort((a, b) => a - b)).toEqual(all.filter((one) => !bad.has(one)));
  expect(asked).toBeLessThan(60);
  expect(trials.refusal(40)).toBe("not 40");
  expect(trials.refusal(4)).toBeUndefined();
});

test("what comes later is tried alone, and what goes is forgotten", () => {
  const trials = new Trials<number>();
  settle(trials, all, new Set());
  const { sent, asked } = settle(trials, [...all, 200], new Set([200]));
  expect(sent).toEqual(all);
  expect(asked).toBe(2);
  settle(trials, all, new Set([200]));
  expect(trials.refusal(200)).toBeUndefined();
});

test("when what was trusted is refused, all show themselves anew", () => {
  const trials = new Trials<number>();
  settle(trials, all, new Set());
  const { sent } = settle(trials, all.slice(1), new Set([7]));
  expect(sent.sort((a, b) => a - b)).toEqual(all.slice(1).filter((one) => one !== 7));
});
