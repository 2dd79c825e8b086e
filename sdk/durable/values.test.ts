import fc from "fast-check";
import { expect, test } from "vitest";
import { RouseError } from "../errors.ts";
import { decodeValue, encodeValue, MOST_VALUE_BYTES } from "./values.ts";

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: false,
  withSparseArray: false,
  maxDepth: 4,
});
/** Those that fast-check's `anything` has not: bytes, our own mark, "__proto__", lone surrogates, -0. */
const odd = fc.oneof(
  anything,
  fc.uint8Array(),
  fc.record({ $: anything, v: anything }, { noNullPrototype: true }),
  fc.record(
    { $: fc.constantFrom("bigint", "map", "object", "undefined", "date"), v: fc.string() },
    { noNullPrototype: true },
  ),
  fc.string({ unit: "binary" }),
  fc.constantFrom("\ud800", "\udfff\ud800", "\u0000", -0, Number.NaN, new Date(Number.NaN)),
  fc.constant(JSON.parse('{"__proto__": {"$": "bigint"}, "constructor": 1}') as unknown),
);
const values = fc.oneof(
  odd,
  fc.array(odd),
  fc.dictionary(fc.string(), odd, { noNullPrototype: true }),
  fc.uniqueArray(fc.tuple(odd, odd), { selector: ([key]) => key }).map((entries) => new Map(entries)),
);

test("what is written can be read again", () => {
  fc.assert(
    fc.property(values, (value) => {
      expect(decodeValue(encodeValue(value))).toStrictEqual(value);
    }),
  );
});

test("what JSON has is written as JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      if (text.includes('"$"') || text !== JSON.stringify(JSON.parse(text))) return;
      // JSON itself forgets the sign of -0; the journal does not.
      fc.pre(!/-0(?![.\d])/.test(text) && !hasNegativeZero(value));
      expect(new TextDecoder().decode(encodeValue(value))).toBe(text);
    }),
  );
});

function hasNegativeZero(value: unknown): boolean {
  if (Object.is(value, -0)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasNegativeZero);
}

test("shapes that come back as their plain kin", () => {
  const none = Object.assign(Object.create(null) as object, { a: 1 });
  expect(decodeValue(encodeValue(none))).toStrictEqual({ a: 1 });
  expect(decodeValue(encodeValue(Buffer.from("abc")))).toStrictEqual(new Uint8Array([97, 98, 99]));
  const sparse = new Array<number>(3);
  sparse[1] = 7;
  expect(decodeValue(encodeValue(sparse))).toStrictEqual([undefined, 7, undefined]);
  const shared = { n: 1 };
  expect(decodeValue(encodeValue([shared, shared]))).toStrictEqual([{ n: 1 }, { n: 1 }]);
});

class Account {
  balance = 1;
}
const cyclic: { self?: unknown } = {};
cyclic.self = { list: [cyclic] };

test.each([
  [new Account(), "is an instance of Account"],
  [{ a: [1, new Account()] }, "has at a[1] an instance of Account"],
  [{ run: () => 1 }, "has at run a function"],
  [Symbol("x"), "is a symbol"],
  [new Map([[{ x: /a/ }, 1]]), "has at keys[0].x an instance of RegExp"],
  [new Set([1, new Error("no")]), "has at [1] an instance of Error"],
  [new Float64Array(2), "is an instance of Float64Array"],
  [cyclic, "has at self.list[0] a reference to what contains it"],
  [{ [Symbol("s")]: 1 }, "is an object with symbols"],
])("%o cannot be held", (value, words) => {
  const attempt = () => encodeValue(value, 'The result of step "charge"');
  expect(attempt).toThrow(
    `The result of step "charge" ${words}, which a journal cannot hold. Return plain objects and arrays, text, numbers, bigint, Date, Uint8Array, Map or Set.`,
  );
  expect(attempt).toThrow(
    expect.objectContaining({ reason: "VALUE_UNSUPPORTED", status: "INVALID_ARGUMENT" }),
  );
});

test("a value that is too large names the way out", () => {
  const attempt = () => encodeValue("x".repeat(MOST_VALUE_BYTES), "It");
  expect(attempt).toThrow(RouseError);
  expect(attempt).toThrow(
    "It has 1048578 bytes in the journal, and 1048576 is the most. Write it somewhere, such as to an artifact, and return where.",
  );
});

test.each([
  '{"$":"what"}',
  '{"$":"bigint","v":"x"}',
  '{"$":"map","v":1}',
  '{"$":"object","v":[]}',
  "{",
  "\u00ff",
])("%s is no value", (written) => {
  const bytes = written === "\u00ff" ? new Uint8Array([255]) : new TextEncoder().encode(written);
  expect(() => decodeValue(bytes)).toThrow(/^A value of the journal cannot be read \(/);
});
