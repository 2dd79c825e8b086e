import fc from "fast-check";
import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("one after the other, in the order in which they came", () => {
  const turns = new Turns();
  expect(turns.join("a", "1")).toBe(true);
  expect(turns.join("a", "2")).toBe(false);
  expect(turns.join("a", "3")).toBe(false);
  expect(turns.join("b", "4")).toBe(true);
  expect(turns.before("a", "3")).toBe(2);
  expect(turns.leave("a", "2")).toBeUndefined();
  expect(turns.leave("a", "1")).toBe("3");
  expect(turns.leave("a", "3")).toBeUndefined();
  expect(turns.join("a", "5")).toBe(true);
});

test("whatever comes and goes, each key has one at a time and nobody is forgotten", () => {
  const act = fc.record({ key: fc.constantFrom("a", "b"), leaves: fc.boolean(), pick: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const turns = new Turns();
      const lines: Record<string, string[]> = { a: [], b: [] };
      let made = 0;
      for (const { key, leaves, pick } of acts) {
        const line = lines[key] ?? [];
        if (leaves && line.length > 0) {
          const [gone = ""] = line.splice(pick % line.length, 1);
          const wasFirst = turns.before(key, gone) === 0;
          expect(turns.leave(key, gone)).toBe(wasFirst ? line[0] : undefined);
        } else {
          const id = String(made++);
          line.push(id);
          expect(turns.join(key, id)).toBe(line.length === 1);
        }
      }
      for (const [key, line] of Object.entries(lines))
        expect(line.map((id) => turns.before(key, id))).toEqual(line.map((_, place) => place));
    }),
  );
});
