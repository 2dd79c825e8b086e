import fc from "fast-check";
import { expect, test } from "vitest";
import { findCycle, type Node } from "./graph.ts";

test("a cycle is named with all that are on it, and nothing else", () => {
  const nodes = [
    { name: "start", needs: ["a"] },
    { name: "a", needs: ["b"] },
    { name: "b", needs: ["c"] },
    { name: "c", needs: ["a"] },
  ];
  expect(findCycle(nodes)).toEqual(["a", "b", "c", "a"]);
  expect(findCycle([{ name: "self", needs: ["self"] }])).toEqual(["self", "self"]);
  expect(findCycle(nodes.filter(({ name }) => name !== "c"))).toBeUndefined();
});

test("a chain of many tasks is no trouble", () => {
  const nodes = Array.from({ length: 50_000 }, (_, at) => ({ name: `${at}`, needs: [`${at + 1}`] }));
  expect(findCycle(nodes)).toBeUndefined();
});

const graph = fc.integer({ min: 1, max: 8 }).chain((count) =>
  fc.array(fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 3 }), {
    minLength: count,
    maxLength: count,
  }),
);

test("a graph has a cycle where it cannot be put in order, and only then", () => {
  fc.assert(
    fc.property(graph, (edges) => {
      const nodes: Node[] = edges.map((needs, at) => ({
        name: `t${at}`,
        needs: needs.map((one) => `t${one}`),
      }));
      const cycle = findCycle(nodes);
      if (cycle === undefined) {
        const left = new Set(nodes);
        for (let before = 0; before !== left.size; ) {
          before = left.size;
          const names = new Set([...left].map(({ name }) => name));
          for (const node of left) if (!node.needs.some((need) => names.has(need))) left.delete(node);
        }
        expect(left.size).toBe(0);
        return;
      }
      expect(cycle[0]).toBe(cycle.at(-1));
      for (const [at, name] of cycle.slice(0, -1).entries())
        expect(nodes.find((node) => node.name === name)?.needs).toContain(cycle[at + 1]);
    }),
  );
});
