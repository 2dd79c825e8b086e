import { expect, test } from "vitest";
import { Batch } from "./batch.ts";

test("a lone item is written at once, and what comes meanwhile together", async () => {
  const written: number[][] = [];
  const gates: (() => void)[] = [];
  const batch = new Batch<number, number>(3, async (items) => {
    written.push([...items]);
    await new Promise<void>((resolve) => gates.push(resolve));
    return items.map((item) => item * 10);
  });
  const results = Promise.all([1, 2, 3, 4, 5].map((item) => batch.add(item)));
  for (let round = 0; round < 3; round++) {
    while (gates.length <= round) await Promise.resolve();
    gates[round]?.();
  }
  expect(await results).toEqual([10, 20, 30, 40, 50]);
  expect(written).toEqual([[1], [2, 3, 4], [5]]);
});

test("a failure is told to those whose statement it was, and to those behind it, and the next goes on", async () => {
  const batch = new Batch<number, number>(1, async ([item]) => {
    if (item === 1) throw new Error("away");
    return [item ?? 0];
  });
  const outcomes = await Promise.allSettled([batch.add(1), batch.add(2)]);
  expect(outcomes).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  expect(await batch.add(3)).toBe(3);
});
