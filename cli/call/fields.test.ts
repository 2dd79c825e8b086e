import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileRegistry, type DescMessage, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { beforeAll, expect, test } from "vitest";
import { compile } from "../../mesh-config/testing/contract.ts";
import { requestOfFields } from "./fields.ts";

let type: DescMessage;
beforeAll(async () => {
  const set = await compile({
    "f.proto": `
      syntax = "proto3";
      package f.v1;
      import "google/protobuf/timestamp.proto";
      import "google/protobuf/duration.proto";
      enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }
      message Region { int64 start_at = 1; Region sub = 2; }
      message Request {
        string chr_name = 1; Region region = 2; repeated string tags = 3; map<string, int32> counts = 4;
        Kind kind = 5; bool deep = 6; bytes data = 7; double ratio = 8; google.protobuf.Duration span = 9;
        repeated Region regions = 10;
      }`,
  });
  type = createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).getMessage(
    "f.v1.Request",
  ) as DescMessage;
});

function made(...fields: string[]) {
  return toJson(type, fromJson(type, requestOfFields(type, fields)));
}

test("fields make a request of their types", async () => {
  expect(
    made(
      "chr_name=5",
      "region.start_at=7",
      "region.sub.startAt=8",
      "tags=a",
      "tags=b=c",
      "counts.x.y=3",
      "kind=KIND_A",
    ),
  ).toEqual({
    chrName: "5",
    region: { startAt: "7", sub: { startAt: "8" } },
    tags: ["a", "b=c"],
    counts: { "x.y": 3 },
    kind: "KIND_A",
  });
  expect(
    made("deep=true", "ratio=0.5", "span=1.5s", 'regions={"startAt": 1}', "data=AAEC", "kind=1"),
  ).toEqual({
    deep: true,
    ratio: 0.5,
    span: "1.500s",
    regions: [{ startAt: "1" }],
    data: "AAEC",
    kind: "KIND_A",
  });
  expect(made("chr_name=@@home")).toEqual({ chrName: "@home" });
  const folder = await mkdtemp(join(tmpdir(), "rouse-fields-"));
  try {
    writeFileSync(join(folder, "in"), "ACGT");
    expect(made(`chr_name=@${folder}/in`, `data=@${folder}/in`)).toEqual({
      chrName: "ACGT",
      data: "QUNHVA==",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("fields go over JSON", () => {
  const base = { chr_name: "a", tags: ["old"], region: { startAt: "1" } };
  expect(requestOfFields(type, ["tags=new", "region.sub.startAt=2", "chrName=b"], base)).toEqual({
    chrName: "b",
    tags: ["new"],
    region: { startAt: "1", sub: { startAt: "2" } },
  });
});

test.each([
  ["name", '-f "name" is no field: write -f name=value.'],
  ["nme=1", 'f.v1.Request has no field "nme"; it has chr_name, region,'],
  ["region.strt=1", 'f.v1.Region has no field "strt"; it has start_at, sub.'],
  ["chr_name.x=1", "-f chr_name.x: chr_name of f.v1.Request has no fields."],
  ["deep=yes", '-f deep: "yes" is neither true nor false.'],
  ["region.start_at=x", '-f region.start_at: "x" is no whole number.'],
  ["region=x", "-f region: a f.v1.Region is JSON ("],
  ["chr_name=@/no/such", "-f chr_name: the file /no/such cannot be read (ENOENT"],
])("%s is refused", (field, message) => {
  expect(() => requestOfFields(type, [field])).toThrow(message);
});
