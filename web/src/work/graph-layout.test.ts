import fc from "fast-check";
import { expect, test } from "vitest";
import { type GraphNode, layOut } from "./graph-layout.ts";

const sizes = { width: 100, height: 40, gapX: 30, gapY: 10 };
const at = (nodes: readonly GraphNode[]) =>
  Object.fromEntries(layOut(nodes, sizes).nodes.map(({ node, x, y }) => [node.name, [x, y]]));

test("a fork that joins stands in three columns, its arms one above the other", () => {
  const nodes = [
    { name: "sequence", needs: [] },
    { name: "windows", needs: ["sequence"] },
    { name: "kmers", needs: ["sequence"] },
    { name: "report", needs: ["windows", "kmers", "sequence", "sequence"] },
  ];
  expect(at(nodes)).toEqual({ sequence: [0, 25], windows: [130, 0], kmers: [130, 50], report: [260, 25] });
  const { edges, width, height } = layOut(nodes, sizes);
  expect({ width, height }).toEqual({ width: 360, height: 90 });
  expect(edges).toContainEqual({ from: "kmers", to: "report", x1: 230, y1: 70, x2: 260, y2: 45 });
  // What the report needs of the sequence is told by the other lines.
  expect(edges.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([
    "kmers report",
    "sequence kmers",
    "sequence windows",
    "windows report",
  ]);
});

test("a task that needs nothing stands just before what needs it", () => {
  const nodes = [
    { name: "a", needs: [] },
    { name: "b", needs: ["a"] },
    { name: "frames", needs: [] },
    { name: "report", needs: ["b", "frames"] },
    { name: "alone", needs: [] },
  ];
  expect(at(nodes)).toMatchObject({ frames: [130, expect.anything()], alone: [0, expect.anything()] });
});

test("lines that need not cross do not", () => {
  const nodes = [
    { name: "a", needs: [] },
    { name: "b", needs: [] },
    { name: "of-b", needs: ["b"] },
    { name: "of-a", needs: ["a"] },
  ];
  const places = at(nodes);
  expect(places["of-a"]?.[1]).toBeLessThan(places["of-b"]?.[1] ?? 0);
});

test("nothing at all, a chain of a thousand, and a cycle", () => {
  expect(layOut([], sizes)).toEqual({ nodes: [], edges: [], width: 0, height: 0 });
  const chain = Array.from({ length: 1_000 }, (_, i) => ({
    name: `t${i}`,
    needs: i === 999 ? [] : [`t${i + 1}`],
  }));
  expect(layOut(chain, sizes).width).toBe(1_000 * 130 - 30);
  const cycle = [
    { name: "a", needs: ["b"] },
    { name: "b", needs: ["a", "b"] },
  ];
  expect(layOut(cycle, sizes).nodes).toHaveLength(2);
});

test("every task has its own place, after all that it needs", () => {
  const graphs = fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { maxLength: 30 }).map((lists) =>
    lists.map((needs, i) => ({
      name: `${i}`,
      needs: needs.filter((need) => need < i).map((need) => `${need}`),
    })),
  );
  fc.assert(
    fc.property(graphs, (nodes) => {
      const { nodes: placed, width, height } = layOut(nodes, sizes);
      const byName = new Map(placed.map((one) => [one.node.name, one]));
      expect(new Set(placed.map(({ x, y }) => `${x} ${y}`)).size).toBe(nodes.length);
      for (const { node, x, y } of placed) {
        expect(x >= 0 && y >= 0 && x + sizes.width <= width && y + sizes.height <= height).toBe(true);
        for (const need of node.needs) expect(byName.get(need)?.x).toBeLessThan(x);
      }
      // Whoever follows the lines back finds all that a task needs.
      const { edges } = layOut(nodes, sizes);
      const before = (name: string): string[] =>
        edges.filter(({ to }) => to === name).flatMap(({ from }) => [from, ...before(from)]);
      for (const { name, needs } of nodes.slice(0, 8))
        expect(new Set(before(name))).toEqual(new Set([...new Set(needs), ...needs.flatMap(before)]));
    }),
  );
});
