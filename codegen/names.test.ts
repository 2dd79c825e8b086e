import { expect, test } from "vitest";
import { methodName, snakeToCamel, typeName } from "./names.ts";

test.each([
  ["GetSequence", "getSequence"],
  ["GetDNA", "getDNA"],
  ["DNA", "dna"],
  ["get_sequence", "getSequence"],
  ["Delete", "delete"],
])("method %s is the function %s", (method, name) => {
  expect(methodName(method)).toBe(name);
});

test.each([
  ["start_base", "startBase"],
  ["START_BASE", "startBase"],
  ["camelCase", "camelCase"],
  ["a1_b2", "a1B2"],
  ["trailing_", "trailing"],
  ["double__under", "doubleUnder"],
])("field %s is the property %s", (field, name) => {
  expect(snakeToCamel(field)).toBe(name);
});

test.each([
  [["Outer", "Inner"], "Outer_Inner"],
  [["Map"], "MapMessage"],
  [["Map", "Entry"], "MapMessage_Entry"],
  [["Outer", "Map"], "Outer_Map"],
  [["Under_Score"], "UnderScore"],
  [["string"], "stringMessage"],
])("type %j is %s", (path, name) => {
  expect(typeName(path)).toBe(name);
});
