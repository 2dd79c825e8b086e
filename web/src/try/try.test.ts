import { type DescMessage, fromBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { shownBytes, typedBytes } from "./bytes.ts";
import { problemsOf } from "./check.ts";
import { decode, encode } from "./codec.ts";
import { methodOf, readContract } from "./contract.ts";
import { exampleOf } from "./example.ts";
import { type Json, parseJson, withKey } from "./json.ts";
import { deadlineProblem, metadataProblem } from "./metadata.ts";
import { draftOf, linkTo } from "./share.ts";
import { tortureSet } from "./testing/torture.ts";

const contract = readContract({ descriptorSet: await tortureSet(), types: [] });
const { registry } = contract;

function message(name: string): DescMessage {
  const desc = registry.getMessage(name);
  if (desc === undefined) throw new Error(`no ${name}`);
  return desc;
}
const all = message("real.v1.All");
const problems = (json: Json, desc = all) => Object.fromEntries(problemsOf(desc, json, registry));
/** What a server reads of what the form sends. */
const sent = (json: Json, desc = all) =>
  toJson(desc, fromBinary(desc, encode(desc, json, registry)), { registry });

test("examples of all methods of the torture contract are right, and what is sent is what was written", () => {
  let count = 0;
  for (const desc of registry) {
    if (desc.kind !== "service") continue;
    for (const method of desc.methods) {
      const example = exampleOf(method.input, contract);
      expect(problems(example, method.input), method.name).toEqual({});
      const back = sent(example, method.input);
      expect(sent(back, method.input)).toEqual(back);
      count++;
    }
  }
  expect(count).toBeGreaterThan(12);
});

test.each<[string, Json, Record<string, string>]>([
  ["nothing", {}, {}],
  ["no object", 5, { "": "Write an object, in braces, for real.v1.All." }],
  ["64 bits as text", { u: "18446744073709551615", oi: "-9223372036854775808", si: 12 }, {}],
  [
    "too large for 64 bits",
    { u: "18446744073709551616" },
    { u: "18446744073709551616 is out of range: write a number from 0 to 18446744073709551615." },
  ],
  ["no number", { fixed: "12x" }, { fixed: '"12x" is no whole number.' }],
  ["a fraction", { u: 1.5 }, { u: '"1.5" is no whole number.' }],
  ["floats", { fl: "NaN", od: "-Infinity", doubles: [1e308, "1.5"] }, {}],
  ["too large a float", { fl: 1e39 }, { fl: "1e+39 is too large for a float." }],
  ["a bool as text", { obool: "true" }, { obool: "Write true or false." }],
  ["half a character", { os: "a\ud800" }, { os: "The text holds half of a character (a lone surrogate)." }],
  ["bytes", { ob: "aGk=", blobList: ["-_8", ""] }, {}],
  ["no base64", { ob: "a*" }, { ob: "This is no base64: letters, digits, + and / only, in groups of four." }],
  ["enums by name and number", { ok: "KIND_A", kindList: [0, 77] }, {}],
  ["no list", { packed: 5 }, { packed: "Write a list, in brackets." }],
  ["an entry of a list", { bools: [true, 1] }, { "bools[1]": "Write true or false." }],
  ["map keys", { byLong: { "-5": "x" }, byBool: { true: "y" } }, {}],
  [
    "wrong map keys",
    { byLong: { x: "" }, byBool: { yes: "" }, fx: { "-1": 2 } },
    {
      'byLong["x"]': 'The key is wrong: "x" is no whole number.',
      'byBool["yes"]': 'The key "yes" is not true or false.',
      'fx["-1"]': "The key is wrong: -1 is out of range: write a number from 0 to 18446744073709551615.",
    },
  ],
  [
    "a key that objects of JavaScript do not have",
    JSON.parse('{"counts": {"__proto__": "1"}}'),
    { 'counts["__proto__"]': 'A page cannot send the key "__proto__"; use `rouse call`.' },
  ],
  [
    "well-known types",
    { timestamp: "2026-01-31T12:00:00Z", duration: "-1.5s", mask: "a.b,cD", value: null },
    {},
  ],
  [
    "wrong well-known types",
    { timestamp: "tomorrow", duration: "1", struct: 5, i64: "x" },
    {
      timestamp: "This is no Timestamp. Write it as 2026-01-31T12:00:00Z.",
      duration: "This is no Duration. Write it as 1.5s.",
      struct: 'This is no Struct. Write it as {"key": "value"}.',
      i64: '"x" is no whole number.',
    },
  ],
  ["an Any of the contract", { any: { "@type": "type.googleapis.com/other.v2.Thing", id: "x" } }, {}],
  [
    "two of a oneof",
    { text: "a", nothing: null },
    {
      text: 'Only one of "nothing" and "text" can be set.',
      nothing: 'Only one of "text" and "nothing" can be set.',
    },
  ],
  ["the contract's names", { null_value: null, i64: "1", kind_list: ["KIND_A"] }, {}],
  [
    "a field by both names",
    { kindList: [], kind_list: [] },
    { kindList: 'Both "kindList" and "kind_list" set this field.' },
  ],
])("the check: %s", (_what, json, expected) => {
  expect(problems(json)).toEqual(expected);
  if (Object.keys(expected).length === 0 && JSON.stringify(json).length > 2) sent(json);
});

test("the check knows unknown fields, required ones, closed enums and depth", () => {
  expect(problems({ nope: 1 }, message("odd.v1.Promise"))).toEqual({
    nope: 'odd.v1.Promise has no field "nope"; it has value, items.',
  });
  expect(problems({ n: 1 }, message("old.v1.Old"))).toEqual({ name: "This field is required." });
  expect(problems({ name: "x", e: 9 }, message("old.v1.Old"))).toEqual({
    e: "E has no value 9; it has E_ONE, E_TWO.",
  });
  expect(problems({ name: "x", "[old.v1.extra]": "y" }, message("old.v1.Old"))).toEqual({});
  const deep: Json = JSON.parse(`${'{"next":'.repeat(150)}{}${"}".repeat(150)}`);
  expect(Object.values(problems(deep, message("odd.v1.Object")))).toEqual([
    "This is more than 100 messages deep.",
  ]);
});

test("what the check lets through can be sent, whatever the names of its fields", () => {
  const json = {
    delete: "a",
    constructor: "b",
    toString: "c",
    hasOwnProperty: "d",
    prototype: "e",
    ...JSON.parse('{"then": "f"}'),
    acc: { "-9223372036854775808": "g" },
    case: "</script><img src=x onerror=alert(1)>",
  };
  const desc = message("odd.v1.Class");
  expect(problems(json, desc)).toEqual({});
  expect(sent(json, desc)).toEqual(json);
});

test("a method may take a well-known type by itself", () => {
  const method = (name: string) => methodOf(contract, "real.v1.Real", name).input;
  expect(problems("text", method("Now"))).toEqual({});
  expect(problems(5, method("Now"))).toEqual({ "": "Write a text, in quotes." });
  expect(problems([1], method("Doc2"))).toEqual({});
  expect(problems("x", method("Doc3"))).toEqual({ "": "This is no Duration." });
  expect(sent("12", method("Doc4"))).toBe("12");
});

test("contracts that cannot be read, and methods that are not there", () => {
  expect(() => readContract({ descriptorSet: new Uint8Array([10, 255]), types: [] })).toThrow(
    /^The contract cannot be read: .*\. Have the provider register it anew\.$/,
  );
  expect(() => methodOf(contract, "real.v1.Real", "Nope")).toThrow(
    /^real\.v1\.Real has no method Nope; there are Get,/,
  );
  expect(() => methodOf(contract, "real.v1.Nope", "Get")).toThrow(
    "The contract has no service real.v1.Nope.",
  );
});

test("answers that are no message are given as they came", () => {
  expect(decode(all, new Uint8Array([255]), registry)).toMatchObject({ base64: "/w==" });
});

test("JSON keeps large numbers, and says what is wrong with it", () => {
  expect(parseJson('{"u": 18446744073709551615, "n": 1}')).toEqual({
    value: { u: "18446744073709551615", n: 1 },
  });
  expect(parseJson(" ")).toEqual({ value: {} });
  expect(parseJson('{"a": }')).toMatchObject({ error: expect.stringMatching(/^This is no JSON: .*\.$/) });
});

test("keys keep their place, and one like __proto__ is a key", () => {
  expect(Object.keys(withKey({ a: 1, b: 2 }, "a", 3))).toEqual(["a", "b"]);
  expect(withKey({ a: 1 }, "a", undefined)).toEqual({});
  expect(Object.keys(withKey({}, "__proto__", 1))).toEqual(["__proto__"]);
});

test("bytes as text, hex and base64", () => {
  expect(typedBytes("text", "hé")).toEqual({ base64: "aMOp" });
  expect(typedBytes("hex", "00 ff:0A")).toEqual({ base64: "AP8K" });
  expect(typedBytes("hex", "0")).toEqual({ problem: "Hex needs two digits for each byte; one is missing." });
  expect(typedBytes("hex", "0g")).toEqual({ problem: "Hex has the digits 0 to 9 and a to f only." });
  expect(shownBytes("text", "aMOp")).toBe("hé");
  expect(shownBytes("text", "AP8K")).toBeUndefined();
  expect(shownBytes("hex", "AP8K")).toBe("00 ff 0a");
  expect(shownBytes("hex", "*")).toBeUndefined();
});

test.each([
  ["", "", undefined],
  ["", "x", "Give the field a name."],
  ["x-user", "ada", undefined],
  ["x user", "", "Names have letters, digits, _, - and . only."],
  ["Grpc-Timeout", "1S", '"grpc-timeout" is set by the page itself.'],
  ["grpc-foo", "1", 'Names that begin with "grpc-" belong to gRPC.'],
  ["x-raw-bin", "!", "The value of a -bin field is base64."],
  ["x-user", "ä", 'Values have printable ASCII only; others need a "-bin" name and base64.'],
])("metadata %j: %j", (name, value, problem) => {
  expect(metadataProblem({ name, value })).toBe(problem);
});

test("deadlines", () => {
  expect(deadlineProblem("")).toBeUndefined();
  expect(deadlineProblem("250")).toBeUndefined();
  for (const text of ["0", "1.5", "-1", "x", "86400001"])
    expect(deadlineProblem(text)).toBe("Write milliseconds, from 1 to 86400000 (a day).");
});

test("a link carries the request, but no secrets, and a broken one is none", () => {
  const draft = {
    request: { text: "a#b?c&d%" },
    spec: "beta",
    deadline: "100",
    metadata: [
      { name: "x-user", value: "ada" },
      { name: "Authorization", value: "Bearer s3cret" },
    ],
  };
  const link = linkTo("http://mesh/services/a.B/try?method=Echo", "Echo", draft);
  expect(link).not.toContain("s3cret");
  const { hash } = new URL(link);
  expect(draftOf(hash, "Echo")).toEqual({ ...draft, metadata: [{ name: "x-user", value: "ada" }] });
  expect(draftOf(hash, "Other")).toBeUndefined();
  expect(draftOf("#try=%7B", "Echo")).toBeUndefined();
  expect(draftOf("#try=%", "Echo")).toBeUndefined();
  expect(() => linkTo("http://mesh/", "Echo", { ...draft, request: "x".repeat(20_000) })).toThrow(
    /^The request is too long for a link \(\d+ of 16000 characters\); copy its JSON\.$/,
  );
});
