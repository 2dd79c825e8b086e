import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { compile } from "../../mesh-config/testing/contract.ts";
import { bindingsOf } from "./bindings.ts";
import { decodeHttpRule, encodeHttpRule } from "./http-rule.ts";
import { parseTemplate } from "./path-template.ts";

const rules: [rule: string, refused: string][] = [
  [`get: "/v1/{name=a/*}/b/{kind}:verb"`, ""],
  [`post: "/v1/x" body: "sub" response_body: "sub"`, ""],
  [`custom: { kind: "PURGE" path: "/v1/x" }`, ""],
  [`get: "/v1.2/x"`, ""],
  [`post: "/f.v1.S/M0" body: "*"`, ""],
  [`get: "/{name=**}"`, "begin it with a name"],
  [`get: "/*/x"`, "begin it with a name"],
  [`get: "/mcp/x"`, "paths below /mcp are the mesh's own"],
  [`get: "/services/{name}"`, "paths below /services are the mesh's own"],
  [`post: "/other.v1.S/Get" body: "*"`, "/other.v1.S/ is for the methods of other.v1.S by their names"],
  [`post: "/f.v1.S/M1" body: "*"`, "is for the methods of f.v1.S by their names"],
  [`get: "v1/x"`, "this is no path template"],
  [`get: "/v1/**/x"`, "this is no path template"],
  [`get: "/v1/{nope}"`, "the request has no field nope"],
  [`get: "/v1/{sub}"`, "sub does not fit into a path"],
  [`get: "/v1/{all}"`, "all does not fit into a path"],
  [`put: "/v1/x" body: "nope"`, "the request has no field nope"],
  [`get: "/v1/x" response_body: "nope"`, "the response has no field nope"],
  [`custom: { kind: "OPTIONS" path: "/v1/x" }`, "OPTIONS is the edge's own"],
  [`custom: { kind: "a b" path: "/v1/x" }`, "it names no HTTP method"],
];

test("paths that a contract asks for are had, or it is said why not", async () => {
  const methods = rules.map(([rule], index) => {
    return `rpc M${index}(R) returns (R) { option (google.api.http) = { ${rule} }; }`;
  });
  const set = await compile({
    "f.proto": `
      syntax = "proto3";
      package f.v1;
      import "google/api/annotations.proto";
      enum Kind { KIND_UNSPECIFIED = 0; }
      message R { string name = 1; Kind kind = 2; R sub = 3; repeated string all = 4; }
      service S { ${methods.join("\n")} }`,
  });
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).getService("f.v1.S");
  for (const [index, [rule, why]] of rules.entries()) {
    const method = service?.methods[index];
    if (method === undefined) throw new Error(`M${index} is missing`);
    const { bindings, refused } = bindingsOf(method);
    // Each method has its name's path, last.
    expect(bindings.at(-1)).toMatchObject({ verb: "POST", template: `/f.v1.S/M${index}`, body: "*" });
    const had = rule.includes("M0") || why !== "" ? 1 : 2;
    if (why === "" && !rule.includes("M0")) expect([rule, refused]).toEqual([rule, []]);
    if (why !== "") expect(refused.join()).toContain(why);
    if (why !== "") expect([rule, bindings.length]).toEqual([rule, had]);
  }
});

test("a rule is the same after encoding and decoding", () => {
  const rule = { verb: "GET", template: "/v1/{a}", body: "b", responseBody: "c", additional: [] };
  const whole = { ...rule, additional: [{ ...rule, verb: "PURGE", body: "", responseBody: "" }] };
  expect(decodeHttpRule(encodeHttpRule(whole))).toEqual(whole);
});

test.each([
  ["/v1/{name=shelves/*/books/**}:get", ["v1", "shelves", "*", "books", "**"], "get"],
  ["/v1/a/{b}", ["v1", "a", "*"], ""],
])("%s is parsed", (text, segments, verb) => {
  expect(parseTemplate(text)).toMatchObject({ segments, verb });
});

test.each(["", "/", "v1", "//", "/a//b", "/a/", "/{a", "/{a=}", "/{=a}", "/a b", "/{a.}", "/a?b", "/**/a"])(
  "%s is no template",
  (text) => {
    expect(parseTemplate(text)).toBeUndefined();
  },
);
