import { readFile } from "node:fs/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseManifest } from "../registry/manifest.ts";
import { TestPackage } from "./testing/package.ts";

/* Generated code as it is meant to be. After a change on purpose: vitest run codegen/golden -u */

const contract = new URL("testdata/genome.proto", import.meta.url);

let made: TestPackage;
beforeAll(async () => {
  made = await TestPackage.create({ "proto/genome/v1/genome.proto": await readFile(contract, "utf8") });
  await made.generate();
});
afterAll(() => made[Symbol.asyncDispose]());

test.each(["definition.ts", "client.ts", "browser.ts", "md", "html"])("genome.%s", async (kind) => {
  const text = await made.read(`gen/genome/v1/genome.${kind}`);
  await expect(text).toMatchFileSnapshot(`golden/genome.${kind}.txt`);
});

test("genome.server.ts", async () => {
  const text = await made.read("gen/genome/v1/genome.server.ts");
  const set = /const descriptorSet =\n {2}"([\w+/=]+)";/.exec(text)?.[1] ?? "";
  expect(fileNames(set)).toEqual([
    "google/protobuf/timestamp.proto",
    "google/protobuf/descriptor.proto",
    "rouse/mesh/v1/options.proto",
    "genome/v1/genome.proto",
  ]);
  await expect(text.replace(set, "…")).toMatchFileSnapshot("golden/genome.server.ts.txt");
});

test("the manifest follows its schema and keeps the comments", async () => {
  const manifest = parseManifest(await made.read("gen/genome.v1.GenomeService.manifest.json"));
  const { descriptorSet, ...rest } = manifest;
  await expect(`${JSON.stringify(rest, null, 2)}\n`).toMatchFileSnapshot("golden/genome.manifest.json.txt");
  const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorSet, "base64"));
  const genome = file.find(({ name }) => name === "genome/v1/genome.proto");
  const comments = genome?.sourceCodeInfo?.location.map((location) => location.leadingComments);
  expect(comments).toContain(" Bases of a region.\n");
});

function fileNames(base64: string): string[] {
  return fromBinary(FileDescriptorSetSchema, Buffer.from(base64, "base64")).file.map(({ name }) => name);
}
