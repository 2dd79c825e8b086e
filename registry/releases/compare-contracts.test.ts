import { expect, test } from "vitest";
import { failure } from "../testing/rig.ts";
import { compareContracts } from "./compare-contracts.ts";
import { compile } from "./testing/contract.ts";
import { joinUsage } from "./usage.ts";

const service = "genome.v1.Genome";

const shared = `syntax = "proto3"; package shared.v1;
message Region { string reference = 1; Strand strand = 2; message Unreached { string text = 1; } }
enum Strand { STRAND_UNSPECIFIED = 0; STRAND_FORWARD = 1; }
message NobodyUsesIt { string text = 1; }`;

const genome = `syntax = "proto3"; package genome.v1;
import "shared.proto";
service Genome {
  rpc GetFeatures(GetFeaturesRequest) returns (GetFeaturesResponse);
  rpc GetSequence(GetSequenceRequest) returns (stream GetSequenceResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
}
service Other { rpc Get(OtherRequest) returns (OtherRequest); }
message OtherRequest { string text = 1; }
message GetFeaturesRequest { shared.v1.Region region = 1; }
message GetFeaturesResponse { map<string, Feature> features = 1; message Feature { string name = 1; int32 score = 2; } }
message GetSequenceRequest { shared.v1.Region region = 1; uint32 most = 2; }
message GetSequenceResponse { string residues = 1; }`;

type Change = readonly [from: string, to: string];

async function compare(...changes: readonly Change[]) {
  const texts = { "genome.proto": genome, "shared.proto": shared };
  const changed = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      changes.reduce((after, [from, to]) => after.replace(from, to), text),
    ]),
  );
  for (const [from] of changes)
    if (!Object.values(texts).some((text) => text.includes(from))) throw new Error(from);
  const [before, after] = await Promise.all([compile(texts), compile(changed)]);
  return compareContracts(
    service,
    { version: "2.0.0", descriptorSet: after },
    { version: "1.0.0", descriptorSet: before },
  );
}

const both = ["GetFeatures", "GetSequence"];

test.each<[string, Change[], object[]]>([
  [
    "a method is removed",
    [["  rpc GetFeatures(GetFeaturesRequest) returns (GetFeaturesResponse);", ""]],
    [
      {
        severity: "breaking",
        rule: "RPC_NO_DELETE",
        message: "removes `Genome.GetFeatures`",
        methods: ["GetFeatures"],
      },
    ],
  ],
  [
    "a method streams no more",
    [["returns (stream GetSequenceResponse)", "returns (GetSequenceResponse)"]],
    [{ severity: "breaking", rule: "RPC_SAME_SERVER_STREAMING", methods: ["GetSequence"] }],
  ],
  [
    "a field of a nested message changes its type",
    [["int32 score = 2", "string score = 2"]],
    [{ severity: "breaking", rule: "FIELD_WIRE_JSON_COMPATIBLE_TYPE", methods: ["GetFeatures"] }],
  ],
  [
    "a field is renamed",
    [["uint32 most = 2", "uint32 limit = 2"]],
    [
      { rule: "FIELD_SAME_JSON_NAME", methods: ["GetSequence"] },
      { rule: "FIELD_SAME_NAME", methods: ["GetSequence"] },
    ],
  ],
  [
    "a field is removed",
    [[" uint32 most = 2;", ""]],
    [
      {
        severity: "breaking",
        rule: "FIELD_NO_DELETE_UNLESS_NAME_RESERVED",
        message: "removes field `GetSequenceRequest.most` (2) without reserving its name",
        methods: ["GetSequence"],
      },
    ],
  ],
  [
    "a field is removed and reserved",
    [[" uint32 most = 2;", ' reserved 2; reserved "most";']],
    [
      {
        severity: "note",
        rule: "FIELD_NO_DELETE",
        message: "removes field `GetSequenceRequest.most` (2)",
        methods: ["GetSequence"],
      },
    ],
  ],
  [
    "an enum of an imported file loses a value",
    [[" STRAND_FORWARD = 1;", ""]],
    [
      {
        severity: "breaking",
        rule: "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED",
        message: "removes value 1 of enum `Strand` without reserving its name",
        methods: both,
      },
    ],
  ],
])("%s", async (_, changes, expected) => {
  const found = await compare(...changes);
  expect(found).toMatchObject(expected);
  expect(found).toHaveLength(expected.length);
});

test.each<[string, Change[]]>([
  ["comments", [["service Genome {", "// Said better.\nservice Genome {"]]],
  [
    "a new method, field and value",
    [
      ["service Genome {", "service Genome { rpc New(OtherRequest) returns (OtherRequest);"],
      ["uint32 most = 2;", "uint32 most = 2; string also = 3;"],
      ["STRAND_FORWARD = 1;", "STRAND_FORWARD = 1; STRAND_REVERSE = 2;"],
    ],
  ],
  [
    "another service, its messages, and what no call carries",
    [
      ["service Other { rpc Get(OtherRequest) returns (OtherRequest); }", ""],
      ["message OtherRequest { string text = 1; }", ""],
      ["message NobodyUsesIt { string text = 1; }", ""],
      [" message Unreached { string text = 1; }", ""],
    ],
  ],
  [
    "idempotency gained",
    [["(GetFeaturesResponse);", "(GetFeaturesResponse) { option idempotency_level = IDEMPOTENT; }"]],
  ],
])("nobody notices %s", async (_, changes) => {
  expect(await compare(...changes)).toEqual([]);
});

test("what buf cannot read is no pass", async () => {
  const before = {
    version: "1.0.0",
    descriptorSet: await compile({ "genome.proto": genome, "shared.proto": shared }),
  };
  // The set of a file whose type is missing: buf refuses it.
  const alone = await compile({
    "genome.proto": genome
      .replaceAll("shared.v1.Region", "Region")
      .replace('import "shared.proto";', "message Region {}"),
  });
  const broken = Buffer.from(
    Buffer.from(alone).toString("latin1").replace(".genome.v1.Region", ".genome.v1.Regian"),
    "latin1",
  );
  const error = await failure(compareContracts(service, { version: "2.0.0", descriptorSet: broken }, before));
  expect(error).toMatchObject({ status: "INTERNAL", reason: "COMPARISON_FAILED" });
  expect(error.message).toMatch(
    /^The contracts of genome\.v1\.Genome 2\.0\.0 and 1\.0\.0 cannot be compared: .*Regian.*Nothing was changed/s,
  );
});

test("findings say who calls what they name", async () => {
  const found = await compare(
    ["  rpc GetFeatures(GetFeaturesRequest) returns (GetFeaturesResponse);", ""],
    ["string residues = 1;", "bytes residues = 1;"],
    ["string reference = 1;", 'string reference = 1 [json_name = "ref"];'],
  );
  const usage = new Map([
    ["GetFeatures", { calls: 1_204, callers: 2 }],
    ["GetSequence", { calls: 1, callers: 1 }],
  ]);
  expect(
    joinUsage(service, found, usage).map(({ message, method, calls, callers }) => [
      message,
      method,
      calls,
      callers,
    ]),
  ).toEqual([
    [
      'field `Region.reference` (1) changed option "json_name" from "reference" to "ref", which `Genome.GetFeatures` and `Genome.GetSequence` use, called 1,205 times by at least 2 clients in the last 7 days',
      "",
      1_205,
      2,
    ],
    [
      "removes `Genome.GetFeatures`, called 1,204 times by 2 clients in the last 7 days",
      "GetFeatures",
      1_204,
      2,
    ],
    [
      'field `GetSequenceResponse.residues` (1) changed type from "string" to "bytes", which `Genome.GetSequence` uses, called 1 time by 1 client in the last 7 days',
      "GetSequence",
      1,
      1,
    ],
  ]);
  const [first] = joinUsage(service, found.slice(0, 1), new Map());
  expect(first?.message).toMatch(/, not called in the last 7 days$/);
  expect(joinUsage(service, found.slice(0, 1), undefined)[0]?.message).not.toContain("called");
});
