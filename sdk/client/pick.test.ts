import { expect, test } from "vitest";
import { byWeight, leastBusy } from "./pick.ts";

test("a share is chosen by its weight", () => {
  const shares = [
    { name: "a", weight: 90 },
    { name: "off", weight: 0 },
    { name: "b", weight: 10 },
  ];
  const at = (random: number) => byWeight(shares, random)?.name;
  expect([at(0), at(0.89), at(0.9), at(0.999)]).toEqual(["a", "a", "b", "b"]);
  expect(byWeight([], 0.5)).toBeUndefined();
  expect(byWeight([{ weight: 0 }], 0.5)).toBeUndefined();
});

test("the least busy is chosen, and equals in turn", () => {
  const [a, b, c] = [{ inProgress: 1 }, { inProgress: 0 }, { inProgress: 0 }];
  expect(leastBusy([a, b, c], 0)).toBe(b);
  expect(leastBusy([a, b, c], 2)).toBe(c);
  expect(leastBusy([a, b, c], 3)).toBe(b);
  expect(leastBusy([], 0)).toBeUndefined();
});
