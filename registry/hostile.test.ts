import { create, toBinary } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unary } from "../sdk/grpc.ts";
import { listKeyNames } from "./kv.ts";
import type { Manifest } from "./manifest.ts";
import { failure, type Rig, startRig } from "./testing/rig.ts";
import { sampleManifest, sampleRequest } from "./testing/sample.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.close());

/** Registers what must be refused, and makes sure that nothing of it was written. */
async function refused(manifest: Manifest) {
  const before = await listKeyNames(rig.kv, "rouse/");
  const error = await failure(
    unary(rig.client, "registerVersion", sampleRequest(manifest), { deadlineMs: 60_000 }),
  );
  expect(await listKeyNames(rig.kv, "rouse/")).toEqual(before);
  return error;
}

type FileInit = Parameters<typeof create<typeof FileDescriptorSetSchema>>[1] extends infer Init
  ? Init extends { file?: (infer File)[] }
    ? File
    : never
  : never;

/** The sample's own file; a part may be replaced. */
function echoFile(changes: Partial<FileDescriptorProto> | Record<string, unknown> = {}): FileInit {
  const text = { name: "text", number: 1, type: Type.STRING, label: Label.OPTIONAL, jsonName: "text" };
  const types = { inputType: ".sample.v1.EchoRequest", outputType: ".sample.v1.EchoResponse" };
  return {
    name: "sample/v1/echo.proto",
    package: "sample.v1",
    syntax: "proto3",
    messageType: [
      { name: "EchoRequest", field: [text] },
      { name: "EchoResponse", field: [text] },
    ],
    service: [
      {
        name: "EchoService",
        method: [
          { name: "Echo", ...types },
          { name: "Watch", ...types, serverStreaming: true },
        ],
      },
    ],
    ...changes,
  } as FileInit;
}

const setOf = (...file: FileInit[]) =>
  Buffer.from(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }))).toString(
    "base64",
  );

function message(name: string, ...fields: { name: string; number: number; typeName?: string }[]) {
  return {
    name,
    field: fields.map(({ name, number, typeName }) => ({
      name,
      number,
      jsonName: name,
      label: Label.OPTIONAL,
      ...(typeName === undefined ? { type: Type.STRING } : { type: Type.MESSAGE, typeName }),
    })),
  };
}

const withMessage = (...more: object[]) =>
  setOf(echoFile({ messageType: [message("EchoRequest"), message("EchoResponse"), ...more] as never }));

let deep = message("Deep");
for (let i = 0; i < 40; i++) deep = { ...message("Deep"), nestedType: [deep] } as typeof deep;

describe("a descriptor set that lies", () => {
  test("the honest one is taken", async () => {
    const manifest = sampleManifest({}, { descriptorSet: setOf(echoFile()) });
    expect(await unary(rig.client, "registerVersion", sampleRequest(manifest))).toMatchObject({
      created: true,
    });
  });

  test.each([
    ["garbage", Buffer.from("not a descriptor set at all").toString("base64"), "cannot be decoded"],
    [
      "another service",
      setOf(echoFile({ service: [{ name: "Other" }] as never })),
      "has only sample.v1.Other",
    ],
    [
      "a method less",
      setOf(
        echoFile({
          service: [
            {
              name: "EchoService",
              method: [
                { name: "Echo", inputType: ".sample.v1.EchoRequest", outputType: ".sample.v1.EchoResponse" },
              ],
            },
          ] as never,
        }),
      ),
      "Watch is missing in the descriptor set",
    ],
    [
      "a method's type that does not exist",
      setOf(
        echoFile({
          service: [
            {
              name: "EchoService",
              method: [{ name: "Echo", inputType: ".no.Such", outputType: ".no.Such" }],
            },
          ],
        }),
      ),
      "sample.v1.EchoService.Echo names the type no.Such, which does not exist",
    ],
    [
      "a field's type that does not exist",
      withMessage(message("M", { name: "a", number: 1, typeName: ".no.Such" })),
      "sample.v1.M.a names the type no.Such, which does not exist",
    ],
    [
      "a type that is not imported",
      setOf(
        { name: "other.proto", package: "other", syntax: "proto3", messageType: [message("O")] } as FileInit,
        echoFile({
          messageType: [
            message("EchoRequest"),
            message("EchoResponse", { name: "o", number: 1, typeName: ".other.O" }),
          ] as never,
        }),
      ),
      "sample.v1.EchoResponse.o names the type other.O of other.proto, which sample/v1/echo.proto does not import",
    ],
    [
      "an import that is absent",
      setOf(echoFile({ dependency: ["gone.proto"] })),
      "sample/v1/echo.proto imports gone.proto, which it lacks",
    ],
    [
      "imports in a circle",
      setOf(
        { name: "a.proto", syntax: "proto3", dependency: ["b.proto"] } as FileInit,
        { name: "b.proto", syntax: "proto3", dependency: ["a.proto"] } as FileInit,
        echoFile(),
      ),
      "a.proto and b.proto import each other in a circle",
    ],
    [
      "a file that imports itself",
      setOf(echoFile({ dependency: ["sample/v1/echo.proto"] })),
      "sample/v1/echo.proto and sample/v1/echo.proto import each other in a circle",
    ],
    [
      "the wrong order",
      setOf(
        { name: "a.proto", syntax: "proto3", dependency: ["b.proto"] } as FileInit,
        { name: "b.proto", syntax: "proto3" } as FileInit,
        echoFile(),
      ),
      "a.proto comes before b.proto, which it imports",
    ],
    ["a file twice", setOf(echoFile(), echoFile()), "it holds sample/v1/echo.proto twice"],
    [
      "a type twice",
      withMessage(message("EchoRequest")),
      "sample.v1.EchoRequest is defined twice, in sample/v1/echo.proto and sample/v1/echo.proto",
    ],
    [
      "a number twice",
      withMessage(message("M", { name: "a", number: 7 }, { name: "b", number: 7 })),
      "sample.v1.M.b has the number 7, as a has",
    ],
    [
      "the number 0",
      withMessage(message("M", { name: "a", number: 0 })),
      "sample.v1.M.a has the number 0, which no",
    ],
    [
      "a reserved number",
      withMessage(message("M", { name: "a", number: 19_500 })),
      "sample.v1.M.a has the number 19500, which no field may have",
    ],
    [
      "an empty enum",
      setOf(echoFile({ enumType: [{ name: "E" }] as never })),
      "the enum sample.v1.E has no value",
    ],
    ["deep nesting", withMessage(deep), "is nested deeper than 32 messages"],
    [
      "names that are none",
      withMessage(message("M", { name: 'a"; process.exit(); "', number: 1 })),
      "invalid field name",
    ],
    [
      "control characters in names",
      setOf({ name: "a\u001b[2J.proto", syntax: "proto3", dependency: ["x"] } as FileInit, echoFile()),
      "a?[2J.proto imports x, which it lacks",
    ],
  ])("%s", async (_, descriptorSet, said) => {
    const error = await refused(sampleManifest({ version: "2.0.0" }, { descriptorSet }));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "DESCRIPTOR_SET_INVALID" });
    expect(error.message).toContain(said);
    expect(error.message).toContain('Run "rouse gen" to write the manifest anew.');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(error.message).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe("a manifest", () => {
  test("of 20 MB is refused with a sentence", async () => {
    const manifest = sampleManifest({ version: "2.0.0" }, { description: "x".repeat(20_000_000) });
    const error = await refused(manifest);
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "MANIFEST_TOO_LARGE" });
    expect(error.message).toMatch(/^The manifest has 20\d{6} bytes; at most 8388608 \(8 MiB\) are taken\. /);
  });

  test.each([
    [
      { owner: "me\u202eevil" },
      "The manifest's owner holds a character that turns the direction of writing (U+202E)",
    ],
    [
      { methods: sampleManifest().methods.map((method) => ({ ...method, docs: "a\u0007b" })) },
      "The manifest's docs of Echo holds a control character (U+0007) at character 2; take it out. Mend the contract.",
    ],
    [{ about: { license: "x" } }, "about.license: must be an SPDX expression"],
    [
      { about: { links: [{ title: "", url: "data:text/html,<script>" }] } },
      "about.links.0.url: must be an http or",
    ],
    [{ about: { purposes: "x" } as never }, 'about: Unrecognized key: "purposes"'],
  ] satisfies [Partial<Manifest>, string][])("%# that hides or forges something", async (changes, said) => {
    const error = await refused(sampleManifest({ version: "2.0.0" }, changes));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "MANIFEST_INVALID" });
    expect(error.message).toContain(said);
  });

  test.each([
    [{ summary: "a\u0000" }, "summary: holds a control character (U+0000)"],
    [
      { description: "\u2066isolated" },
      "description: holds a character that turns the direction of writing (U+2066)",
    ],
  ])("%# whose texts do so", async (changes, said) => {
    const error = await refused(sampleManifest({ version: "2.0.0" }, changes));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "ABOUT_INVALID" });
    expect(error.message).toContain(said);
  });
});
