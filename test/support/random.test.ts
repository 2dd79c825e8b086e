import { expect, test } from "vitest";
import { seededRandom } from "./random.ts";

test("the same seed makes the same choices, and each is made as often as the others", () => {
  const choices = (seed: number) => {
    const random = seededRandom(seed);
    return [
      random.turns(["a", "b", "c"], 7).join(""),
      ...Array.from({ length: 20 }, () => random.within(3, 5)),
    ];
  };
  expect(choices(1)).toEqual(choices(1));
  expect(choices(1)).not.toEqual(choices(2));
  for (let seed = 0; seed < 50; seed++) {
    const [turns, ...numbers] = choices(seed);
    expect([...String(turns)].slice(0, 6).sort().join("")).toBe("aabbcc");
    expect(numbers.every((number) => [3, 4, 5].includes(Number(number)))).toBe(true);
  }
});

test("a failure tells how to make them again", async () => {
  const fails = seededRandom(7).told(() => Promise.reject(new Error("It failed.")));
  await expect(fails).rejects.toThrow("It failed.\nROUSE_FAULT_SEED=7 makes the same random choices again.");
});
