import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { fromMessage, toMessage } from "./convert.ts";
import { bytes } from "./declare.ts";
import { shapeOf } from "./shape.ts";

// JSON itself forgets the sign of -0.
const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
const schema = z.object({
  text: z.string(),
  camelCase: z.number(),
  seal: bytes().optional(),
  at: z.date(),
  items: z.array(z.object({ big: z.bigint(), any: z.unknown() })),
  byName: z.record(z.string(), z.object({ at: z.date() })),
});
const values = fc.record(
  {
    text: fc.string(),
    camelCase: fc.double(),
    seal: fc.uint8Array(),
    at: fc.date({ noInvalidDate: true }),
    items: fc.array(fc.record({ big: fc.bigInt(), any: json }, { noNullPrototype: true })),
    byName: fc.dictionary(
      fc.string(),
      fc.record({ at: fc.date({ noInvalidDate: true }) }, { noNullPrototype: true }),
      { noNullPrototype: true },
    ),
  },
  { requiredKeys: ["text", "camelCase", "at", "items", "byName"], noNullPrototype: true },
);

test("a value is the same after its way through a message", () => {
  const shape = shapeOf(schema, "in");
  fc.assert(
    fc.property(values, (value) => {
      expect(fromMessage(toMessage(value, shape), shape)).toStrictEqual(value);
    }),
  );
});

test("a value that is no object has a message around it", () => {
  fc.assert(
    fc.property(json, (value) => {
      const shape = { kind: "value" } as const;
      expect(fromMessage(toMessage(value, shape), shape)).toStrictEqual(value);
    }),
  );
  const list = shapeOf(z.array(z.string()), "out");
  expect(toMessage(["a"], list)).toEqual({ value: ["a"] });
  expect(fromMessage({ value: ["a"] }, list)).toEqual(["a"]);
});

test.each<[string, z.ZodType, unknown, unknown]>([
  ["an int32", z.int32(), { kind: "int32" }, undefined],
  ["any number", z.int(), { kind: "double" }, undefined],
  ["an enum", z.enum(["a", "b"]), { kind: "string" }, undefined],
  ["literals of one type", z.literal(["a", "b"]), { kind: "string" }, undefined],
  ["literals of two", z.literal(["a", 1]), { kind: "value" }, undefined],
  ["what may be null", z.string().nullable(), { kind: "value" }, undefined],
  ["a union", z.union([z.string(), z.number()]), { kind: "value" }, undefined],
  ["a list of lists", z.array(z.array(z.string())), { kind: "list", of: { kind: "value" } }, undefined],
  ["numbers as keys", z.record(z.number(), z.string()), { kind: "value" }, undefined],
  ["refined", z.string().min(2).readonly().brand("x"), { kind: "string" }, undefined],
  ["a transform", z.string().transform(Number), { kind: "string" }, { kind: "value" }],
  ["a codec", z.pipe(z.string(), z.bigint() as never), { kind: "string" }, { kind: "int64" }],
])("the form of %s", (_, of, taken, given) => {
  expect(shapeOf(of, "in")).toEqual(taken);
  expect(shapeOf(of, "out")).toEqual(given ?? taken);
});

test("a default may be left out where it is taken, and is there where it is given", () => {
  const withDefault = z.object({ a: z.string().default("x") });
  expect(shapeOf(withDefault, "in")).toMatchObject({ fields: [{ key: "a", optional: true }] });
  expect(shapeOf(withDefault, "out")).toMatchObject({ fields: [{ key: "a", optional: false }] });
});
