import { expect, test } from "vitest";
import { Holdings } from "./holdings.ts";

test("what a host has is told once, and what it has no more", () => {
  const holdings = new Holdings();
  let changes = 0;
  const end = holdings.watch(() => changes++);
  for (const one of ["a", "b", "b", ""]) holdings.add(one);
  expect(changes).toBe(2);
  const told = new Set<string>();
  expect(holdings.newsSince(told)).toEqual({ held: ["a", "b"], heldNoMore: [] });
  holdings.add("c");
  holdings.remove("a");
  holdings.remove("a");
  expect(changes).toBe(4);
  expect(holdings.newsSince(told)).toEqual({ held: ["c"], heldNoMore: ["a"] });
  expect(holdings.newsSince(told)).toEqual({ held: [], heldNoMore: [] });
  end();
  holdings.remove("c");
  expect(changes).toBe(4);
});
