import fc from "fast-check";
import { expect, test } from "vitest";
import { diffRows } from "./diff.ts";

const shown = (left: string, right: string) =>
  diffRows(left, right).map((row) =>
    row.kind === "same" ? `  ${row.left?.text}` : `${row.left?.text ?? ""}|${row.right?.text ?? ""}`,
  );

test("what changed stands side by side, between what stayed", () => {
  expect(shown("a\nb\nc\nd", "a\nx\nc\nd\ne")).toEqual(["  a", "b|x", "  c", "  d", "|e"]);
  expect(shown("a\nb\nc", "a\nc")).toEqual(["  a", "b|", "  c"]);
  expect(shown("same", "same")).toEqual(["  same"]);
});

test("both texts can be read from the rows, and as many lines stay as can", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, text, (left, right) => {
      const rows = diffRows(left, right);
      const side = (name: "left" | "right") =>
        rows.flatMap((row) => (row[name] === undefined ? [] : [row[name].text])).join("\n");
      expect(side("left")).toBe(left);
      expect(side("right")).toBe(right);
      for (const row of rows) if (row.kind === "same") expect(row.left?.text).toBe(row.right?.text);
      const stayed = rows.filter(({ kind }) => kind === "same").length;
      expect(stayed).toBe(longest(left.split("\n"), right.split("\n")));
    }),
  );
});

/** Length of the longest common subsequence, by the textbook's table. */
function longest(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    b.forEach((y, j) => {
      next.push(x === y ? (row[j] ?? 0) + 1 : Math.max(row[j + 1] ?? 0, next[j] ?? 0));
    });
    row = next;
  }
  return row.at(-1) ?? 0;
}

test("two strange texts of many lines do not hold up the page", () => {
  const lines = (name: string) => Array.from({ length: 5_000 }, (_, index) => `${name} ${index}`).join("\n");
  expect(diffRows(lines("a"), lines("b"))).toHaveLength(5_000);
});
