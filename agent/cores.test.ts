import { expect, test } from "vitest";
import { Cores, chooseCores } from "./cores.ts";

test("pinned instances get whole cores, those that the fewest have", () => {
  expect(chooseCores([0, 1, 2, 3], [], 1.5)).toEqual([0, 1]);
  expect(chooseCores([0, 1, 2, 3], [[0, 1]], 2)).toEqual([2, 3]);
  expect(chooseCores([0, 1, 2, 3], [[0, 1], [2]], 0.1)).toEqual([3]);
  expect(chooseCores([4, 6], [[4]], 8)).toEqual([4, 6]);
  expect(chooseCores([], [], 1)).toEqual([]);
});

test("what is given stays until it is given back", () => {
  const cores = new Cores([0, 1]);
  expect(cores.take("a", 1)).toEqual([0]);
  expect(cores.take("b", 1)).toEqual([1]);
  expect(cores.take("a", 2)).toEqual([0]);
  cores.release("a");
  expect(cores.has("a")).toBe(false);
  expect(cores.take("c", 1)).toEqual([0]);
});
