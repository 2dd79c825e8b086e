import { expect, test } from "vitest";
import { Interned } from "./interned.ts";

test("a text is read as it is, wherever it stands and whoever had its place before", () => {
  const interned = new Interned();
  const texts = ["", "a", "ä", "x".repeat(1_000), ...Array.from({ length: 300_000 }, (_, n) => `s${n}.v1`)];
  const all = Buffer.from(texts.join(""));
  const wrong: string[] = [];
  for (let round = 0; round < 2; round++) {
    let at = 0;
    for (const text of texts) {
      const end = at + Buffer.byteLength(text);
      if (interned.read(all, at, end) !== text) wrong.push(text);
      at = end;
    }
  }
  expect(wrong).toEqual([]);
  expect(() => interned.read(all, all.length - 1, all.length + 1)).toThrow("longer than its message");
});
