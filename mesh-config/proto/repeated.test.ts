import { expect, test } from "vitest";
import { digest, Repeated } from "./repeated.ts";

const texts = Array.from({ length: 200 }, (_, n) =>
  `sample.v1.Service${n}@1.0.${n % 7}`.slice(0, 20 + (n % 9)),
);

test("a long list is made once, in whatever order it comes", () => {
  const made: number[] = [];
  const repeated = new Repeated((_, bounds) => made.push(bounds.length / 2));
  const read = (list: readonly string[]) => repeated.read(...laid(list));
  expect(read(texts)).toBe(read(texts.toReversed()));
  expect(read(texts.with(3, "another"))).not.toBe(read(texts));
  expect(made).toEqual([200, 200]);
});

test("a list that did not come for long is made anew", () => {
  let made = 0;
  const repeated = new Repeated(() => ++made);
  const read = (list: readonly string[]) => repeated.read(...laid(list));
  for (let n = 0; n < 100; n++) read([...texts, `${n}`]);
  expect(read([...texts, "99"])).toBe(100);
  expect(read([...texts, "0"])).toBe(101);
});

test("short lists are made each time", () => {
  const repeated = new Repeated(() => ({}));
  const read = (list: readonly string[]) => repeated.read(...laid(list));
  expect(read(texts.slice(0, 10))).not.toBe(read(texts.slice(0, 10)));
});

test("no list has the digest of another one", () => {
  const lists = [
    [],
    [""],
    ["", ""],
    ["a"],
    ["a", ""],
    ["a", "a"],
    ["\0"],
    ["\0\0\0\0"],
    ["ab", "cd"],
    ["abc", "d"],
    ["ac", "bd"],
    ["abcdefgh", "12345678"],
    ["abcd5678", "1234efgh"],
    texts,
    [...texts, ""],
    texts.slice(1),
  ];
  const [bytes, bounds] = laid(texts);
  const digests = lists.map((list) => digest(...laid(list)));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const other = Buffer.from(bytes);
    other.writeUInt8(other.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    digests.push(digest(other, bounds));
  }
  expect(new Set(digests).size).toBe(digests.length);
});

test("a digest is that of the elements, wherever they stand", () => {
  const [bytes, bounds] = laid(texts);
  const moved = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("after")]).subarray(5);
  expect(
    digest(
      moved,
      bounds.map((at) => at + 1),
    ),
  ).toBe(digest(bytes, bounds));
});

/** The texts one after the other, and where they stand. */
function laid(list: readonly string[]): [Buffer, number[]] {
  const bounds: number[] = [];
  let at = 0;
  for (const { length } of list) {
    bounds.push(at, at + length);
    at += length;
  }
  return [Buffer.from(list.join("")), bounds];
}
