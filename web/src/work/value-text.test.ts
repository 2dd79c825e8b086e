import { expect, test } from "vitest";
import { valueText } from "./value-text.ts";

const of = (text: string) => valueText(new TextEncoder().encode(text));

test("JSON has indents, other text is as it is, and what is neither is in hexadecimal", () => {
  expect(of('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(of("{no JSON")).toBe("{no JSON");
  expect(of('{"id":12345678901234567890}')).toBe('{"id":12345678901234567890}');
  expect(of('{"gc":0.8645622860912952}')).toBe('{\n  "gc": 0.8645622860912952\n}');
  expect(valueText(new Uint8Array([0, 255]))).toBe("00 ff");
  expect(valueText(new Uint8Array([1, 65]))).toBe("01 41");
  expect(valueText(new Uint8Array())).toBe("");
});

test("long values are cut, between letters", () => {
  expect(of("é".repeat(15_000))).toBe(`${"é".repeat(10_000)}…`);
  expect(of(`a${"é".repeat(15_000)}`)).toMatch(/^aé+…$/);
  expect(valueText(new Uint8Array(300)).endsWith("00 …")).toBe(true);
});
