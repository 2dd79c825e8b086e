import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ReflectionIndex } from "./reflection-index.ts";

const optional = FieldDescriptorProto_Label.OPTIONAL;
const set = create(FileDescriptorSetSchema, {
  file: [
    {
      name: "base.proto",
      package: "base",
      syntax: "proto2",
      messageType: [
        {
          name: "Thing",
          field: [{ name: "id", number: 1, label: optional, type: FieldDescriptorProto_Type.STRING }],
          extensionRange: [{ start: 100, end: 200 }],
          nestedType: [{ name: "Part" }],
          enumType: [{ name: "Kind", value: [{ name: "OLD", number: 0 }] }],
        },
      ],
    },
    {
      name: "more.proto",
      package: "more",
      syntax: "proto2",
      dependency: ["base.proto"],
      extension: [
        {
          name: "note",
          number: 123,
          label: optional,
          type: FieldDescriptorProto_Type.STRING,
          extendee: ".base.Thing",
        },
      ],
      service: [
        { name: "S", method: [{ name: "Do", inputType: ".base.Thing", outputType: ".base.Thing.Part" }] },
      ],
    },
  ],
});
const index = new ReflectionIndex(toBinary(FileDescriptorSetSchema, set), ["more.S"]);

/** Asks with one field and gives the names of the files, or the error, of the answer. */
function ask(field: number, value: string | Uint8Array): { files: string[]; error: string } {
  const request = new BinaryWriter().uint32((field << 3) | 2);
  const bytes = (typeof value === "string" ? request.string(value) : request.bytes(value)).finish();
  const found = { files: [] as string[], error: "" };
  const reader = new BinaryReader(index.answer(bytes));
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 4) {
      const files = new BinaryReader(reader.bytes());
      while (files.pos < files.len) {
        files.tag();
        found.files.push(fromBinary(FileDescriptorProtoSchema, files.bytes()).name);
      }
    } else if (number === 7) found.error = Buffer.from(reader.bytes()).toString();
    else reader.skip(type, number);
  }
  return found;
}

test("files by name come with their imports", () => {
  expect(ask(3, "more.proto").files).toEqual(["more.proto", "base.proto"]);
  expect(ask(3, "base.proto").files).toEqual(["base.proto"]);
});

test("symbols of all kinds", () => {
  for (const symbol of ["more.S", "more.S.Do", ".more.S", "more.note"]) {
    expect(ask(4, symbol).files, symbol).toEqual(["more.proto", "base.proto"]);
  }
  for (const symbol of ["base.Thing", "base.Thing.id", "base.Thing.Part", "base.Thing.Kind"]) {
    expect(ask(4, symbol).files, symbol).toEqual(["base.proto"]);
  }
  expect(ask(4, "base.Nothing").error).toContain(
    'This server\'s contract has no file or symbol "base.Nothing".',
  );
});

test("extensions by type and number", () => {
  const wanted = (number: number) =>
    new BinaryWriter().uint32(10).string("base.Thing").uint32(16).int32(number).finish();
  expect(ask(5, wanted(123)).files).toEqual(["more.proto", "base.proto"]);
  expect(ask(5, wanted(124)).error).toContain("no file or symbol");
  expect(ask(6, "base.Thing").error).toBe("");
  expect(ask(6, "base.Nothing").error).toContain('no type "base.Nothing"');
});
