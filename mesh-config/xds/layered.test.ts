import { expect, test } from "vitest";
import { Layered, overlayOf } from "./layered.ts";

test("it is the map that it would be without a base, whatever happens", () => {
  const contents = (map: Iterable<[string, number]>) => [...map].sort();
  const pick = numbers(3);
  const map = new Map<string, number>();
  const layered = new Layered<number>();
  for (let step = 0; step < 5_000; step++) {
    const name = `n${pick(300)}`;
    if (pick(3) === 0) {
      map.delete(name);
      layered.delete(name);
    } else {
      const value = pick(3);
      map.set(name, value);
      layered.set(name, value);
    }
    const base = () => new Map([...map].filter(() => pick(10) > 0).map(([key, value]) => [key, value % 2]));
    if (pick(50) === 0) layered.take(overlayOf(map, base()));
    layered.settle(base);
    expect(layered.get(name)).toBe(map.get(name));
    expect(layered.has(name)).toBe(map.has(name));
    expect(layered.size).toBe(map.size);
    if (step % 50 === 0) expect(contents(layered)).toEqual(contents(map));
  }
});

test("what is as in the base is not its own, and what has become its own is shared again", () => {
  const base = new Map(Array.from({ length: 1_000 }, (_, n) => [`n${n}`, n]));
  const layered = new Layered<number>();
  for (const [name, value] of base) layered.set(name, value);
  layered.settle(() => base);
  expect(layered.apart).toBe(0);
  layered.delete("n1");
  layered.set("n2", 0);
  expect(layered.apart).toBe(2);
  const moved = new Map([...base.keys()].map((name) => [name, -1]));
  for (const [name, value] of moved) layered.set(name, value);
  layered.settle(() => moved);
  expect(layered.apart).toBe(0);
  // A base of others is no use.
  layered.take(overlayOf(new Map([["n1", 1]]), base));
  expect([...layered]).toEqual([["n1", 1]]);
  expect(layered.apart).toBe(1);
});

/** Pseudo-random whole numbers below a limit, the same each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % limit;
  };
}
