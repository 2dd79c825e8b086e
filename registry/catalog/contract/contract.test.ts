import { clone, createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../manifest.ts";
import { compile } from "../../releases/testing/contract.ts";
import { GENOME_PROTO, genomeManifest } from "../testing/genome.ts";
import { compareContracts } from "./compare.ts";
import { parseContract } from "./contract.ts";
import { contractDocs } from "./docs.ts";
import { printContract, printFiles } from "./print.ts";

let manifest: Manifest;
beforeAll(async () => {
  manifest = await genomeManifest("1.0.0");
});

const contractOf = ({ service, descriptorSet }: Manifest) =>
  parseContract(service, Buffer.from(descriptorSet, "base64"));

/** The descriptors of a set by file, without places and comments. */
function bare(descriptorSet: Uint8Array): Map<string, unknown> {
  const { file } = fromBinary(FileDescriptorSetSchema, descriptorSet);
  const types = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  return new Map(
    file.map((proto) => {
      const copy = clone(FileDescriptorProtoSchema, proto);
      delete copy.sourceCodeInfo;
      return [proto.name, toJson(FileDescriptorProtoSchema, copy, { registry: types })];
    }),
  );
}

test("the printed text compiles to the very descriptors it was printed from", async () => {
  const contract = contractOf(manifest);
  const again = bare(await compile(Object.fromEntries(printFiles(contract))));
  for (const [name, proto] of bare(contract.descriptorSet)) expect(again.get(name)).toEqual(proto);
});

test("the printed text has comments, and names of the same package without it", () => {
  const text = printContract(contractOf(manifest));
  const [from, to] = ["message GetSequenceRequest", "message Feature"].map((part) =>
    GENOME_PROTO.indexOf(part),
  );
  expect(text).toContain(GENOME_PROTO.slice(from, to));
  expect(text).toContain("  // What it is.\n  enum Kind {");
  expect(text).toContain("  Feature.Kind kind = 1;");
  expect(text.split("\n")[0]).toBe("// genome.proto");
  expect(text).toContain(
    '  option (example.meta) = {\n    team: "phages"\n    level: LEVEL_HIGH\n    tags: ["a", "b"]\n  };',
  );
});

test("docs have methods, and types each after those that use it", () => {
  const { methods, types } = contractDocs(manifest, contractOf(manifest));
  expect(methods.map(({ name, http, serverStreaming }) => [name, http, serverStreaming])).toEqual([
    ["GetSequence", "GET /v1/genomes/{name}:sequence", false],
    ["ListFeatures", "POST /genome.v1.GenomeService/ListFeatures", true],
  ]);
  expect(methods[0]).toMatchObject({
    docs: "Bases of a region, with soft-masked repeats.",
    idempotency: "no_side_effects",
    deadlineMs: 10_000,
  });
  expect(types.map(({ name }) => name)).toEqual([
    "genome.v1.GetSequenceRequest",
    "genome.v1.GetSequenceResponse",
    "genome.v1.Region",
    "genome.v1.Feature",
    "genome.v1.Feature.Kind",
    "google.protobuf.Timestamp",
  ]);
  const feature = types[3];
  expect(feature?.fields.map(({ name, type, oneof }) => `${name}: ${type} ${oneof}`.trim())).toEqual([
    "kind: genome.v1.Feature.Kind",
    "parts: repeated genome.v1.Region",
    "qualifiers: map<string, genome.v1.Region>",
    "lambda_name: string origin",
    "accession: int32 origin",
    "updated: google.protobuf.Timestamp",
    "note: optional string",
  ]);
  expect(types[4]).toMatchObject({
    isEnum: true,
    docs: "What it is.",
    fields: [{ type: "0" }, { name: "KIND_GENE", type: "1", docs: "Codes for a protein." }],
  });
});

/** What differs when the contract's text is changed so, one line each. */
async function differences(edits: readonly (readonly [string, string])[], changes: Partial<Manifest> = {}) {
  let text = GENOME_PROTO;
  for (const [before, after] of edits) {
    expect(text).toContain(before);
    text = text.replace(before, after);
  }
  const other = await genomeManifest("1.1.0", changes, text);
  const sides = [manifest, other].map((one) => ({ manifest: one, contract: contractOf(one) }));
  const [from, to] = sides;
  if (from === undefined || to === undefined) throw new Error("two sides are compared");
  return compareContracts(from, to).map(
    (change) =>
      `${change.kind.replace("KIND_", "")}${change.breaking ? "!" : ""} ${change.subject}: ${change.from} > ${change.to}`,
  );
}

test("comparing tells methods, messages, fields, values and options, and what breaks callers", async () => {
  expect(await differences([])).toEqual([]);
  expect(
    await differences(
      [
        ["rpc ListFeatures(Region)", "rpc ListAll(Region)"],
        ["string name = 1;", "string title = 1;"],
        ["string bases = 1;", "bytes bases = 1;\n  string md5 = 2;"],
        ["KIND_GENE = 1;", "KIND_GENE = 1;\n    KIND_REPEAT = 2;"],
      ],
      { exposure: "internal" },
    ),
  ).toEqual([
    "REMOVED! method ListFeatures: rpc ListFeatures(genome.v1.Region) returns (stream genome.v1.Feature) > ",
    "ADDED method ListAll:  > rpc ListAll(genome.v1.Region) returns (stream genome.v1.Feature)",
    "CHANGED! field genome.v1.GetSequenceRequest.title: string name = 1 > string title = 1",
    "CHANGED! field genome.v1.GetSequenceResponse.bases: string bases = 1 > bytes bases = 1",
    "ADDED field genome.v1.GetSequenceResponse.md5:  > string md5 = 2",
    "ADDED value genome.v1.Feature.Kind.KIND_REPEAT:  > KIND_REPEAT = 2",
    "CHANGED! option exposure: external > internal",
  ]);
});

test("a field may go when its number is reserved; a deprecation breaks nobody", async () => {
  expect(
    await differences([
      ["  int64 end = 2 [deprecated = true];\n  reserved 7,", "  reserved 2, 7,"],
      ["int32 accession = 5;", "int32 accession = 5 [deprecated = true];"],
    ]),
  ).toEqual([
    "REMOVED field genome.v1.Region.end: int64 end = 2 [deprecated = true] > ",
    "CHANGED field genome.v1.Feature.accession: int32 accession = 5 in oneof origin > int32 accession = 5 [deprecated = true] in oneof origin",
  ]);
  expect(await differences([["  optional string note = 8;\n", ""]])).toEqual([
    "REMOVED! field genome.v1.Feature.note: optional string note = 8 > ",
  ]);
});

test("options that callers notice break by the rules of the gate", async () => {
  const methods = manifest.methods.map((method) => ({ ...method, deadlineMs: 5_000 }));
  const found = await differences([], { methods, maxInstances: 8, owner: "others" });
  expect(found).toEqual([
    "CHANGED option owner: tests > others",
    "CHANGED option max instances: 4 > 8",
    "CHANGED! option deadline of GetSequence: 10s > 5s",
    "CHANGED! option deadline of ListFeatures: 10s > 5s",
  ]);
});

test("a descriptor set that is none is refused", () => {
  expect(() => parseContract("a.B", Buffer.from("no"))).toThrow(
    /The descriptor set of a\.B in Consul cannot be read/,
  );
});
