import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Admission } from "./admission.ts";

test("a few are let in at one time, the others in the order in which they came", async () => {
  const admission = new Admission(2);
  const began: number[] = [];
  const leave = Array.from({ length: 5 }, (_, n) => admission.enter(() => began.push(n)));
  expect(began).toEqual([0, 1]);
  expect(admission.waiting).toBe(3);
  leave[3]?.();
  expect(admission.waiting).toBe(2);
  leave[0]?.();
  // Who is done twice gives one place back.
  leave[0]?.();
  await turn();
  expect(began).toEqual([0, 1, 2]);
  leave[1]?.();
  leave[2]?.();
  await turn();
  expect(began).toEqual([0, 1, 2, 4]);
  expect(admission.waiting).toBe(0);
});

test("one that ends before its turn comes does not begin, and its place is another's", async () => {
  const admission = new Admission(1);
  const began: number[] = [];
  const leave = Array.from({ length: 3 }, (_, n) => admission.enter(() => began.push(n)));
  leave[0]?.();
  leave[1]?.();
  await turn();
  await turn();
  expect(began).toEqual([0, 2]);
});

test("one that takes too long keeps nobody out", async () => {
  const admission = new Admission(1, 1);
  admission.enter(() => undefined);
  await new Promise<void>((resolve) => admission.enter(resolve));
});
