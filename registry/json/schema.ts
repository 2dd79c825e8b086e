import { type DescEnum, type DescField, type DescMessage, ScalarType, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { FieldOptionsSchema } from "@bufbuild/protobuf/wkt";
import type { Comments } from "../catalog/contract/comments.ts";

/** A JSON Schema (2020-12, as in OpenAPI 3.1). */
export type Schema = { readonly [keyword: string]: unknown };

/** What google.api.field_behavior says, as far as a schema can. */
const BEHAVIOR_OPTION = 1052;
const REQUIRED = 2;
const OUTPUT_ONLY = 3;
const INPUT_ONLY = 4;
const LEGACY_REQUIRED = 3;

/**
 * JSON Schemas of messages in protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/), each written once and
 * pointed to by its full name.
 */
export class MessageSchemas {
  /** By full name: what was pointed to so far, and what that points to. */
  readonly all: Record<string, Schema> = {};
  readonly #comments: Comments;
  readonly #base: string;

  /** @param base Where `all` stands in the document, such as "#/components/schemas/". */
  constructor(comments: Comments, base: string) {
    this.#comments = comments;
    this.#base = base;
  }

  message(message: DescMessage): Schema {
    const known = wellKnown(message);
    if (known !== undefined) return known;
    const name = message.typeName;
    if (!Object.hasOwn(this.all, name)) {
      // Before its fields, for it may contain itself.
      this.all[name] = {};
      this.all[name] = this.object(message);
    }
    return { $ref: `${this.#base}${name}` };
  }

  /** The message's own schema, without the fields that are named. */
  object(message: DescMessage, without: ReadonlySet<string> = new Set()): Schema {
    const fields = message.fields.filter(({ name }) => !without.has(name));
    const required = fields.filter(isRequired).map(({ jsonName }) => jsonName);
    const choices = message.oneofs
      .map(({ fields: members }) => members.filter(({ name }) => !without.has(name)))
      .filter((members) => members.length > 1)
      .map((members) => `At most one of ${members.map(({ jsonName }) => jsonName).join(", ")}.`);
    const description = [this.#comments.of(message.file, message), ...choices].filter(Boolean).join("\n\n");
    return {
      type: "object",
      ...(description !== "" && { description }),
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field)])),
      ...(required.length > 0 && { required }),
    };
  }

  field(field: DescField): Schema {
    const behaviors = behaviorsOf(field);
    const description = this.#comments.of(field.parent.file, field);
    return {
      ...this.#value(field),
      ...(description !== "" && { description }),
      ...(field.deprecated && { deprecated: true }),
      ...(behaviors.includes(OUTPUT_ONLY) && { readOnly: true }),
      ...(behaviors.includes(INPUT_ONLY) && { writeOnly: true }),
    };
  }

  #value(field: DescField): Schema {
    switch (field.fieldKind) {
      case "scalar":
        return scalar(field.scalar);
      case "enum":
        return this.#enum(field.enum);
      case "message":
        return this.message(field.message);
      case "list": {
        if (field.listKind === "scalar") return { type: "array", items: scalar(field.scalar) };
        const items = field.listKind === "enum" ? this.#enum(field.enum) : this.message(field.message);
        return { type: "array", items };
      }
      case "map": {
        if (field.mapKind === "scalar") return { type: "object", additionalProperties: scalar(field.scalar) };
        const values = field.mapKind === "enum" ? this.#enum(field.enum) : this.message(field.message);
        return { type: "object", additionalProperties: values };
      }
    }
  }

  #enum(type: DescEnum): Schema {
    if (type.typeName === "google.protobuf.NullValue") return { type: "null" };
    const name = type.typeName;
    if (!Object.hasOwn(this.all, name)) {
      const lines = [this.#comments.of(type.file, type)];
      for (const value of type.values) {
        const text = this.#comments.of(type.file, value);
        if (text !== "") lines.push(`${value.name}: ${text}`);
      }
      const description = lines.filter(Boolean).join("\n\n");
      this.all[name] = {
        type: "string",
        enum: [...new Set(type.values.map((value) => value.name))],
        ...(description !== "" && { description }),
      };
    }
    return { $ref: `${this.#base}${name}` };
  }
}

function scalar(type: ScalarType): Schema {
  switch (type) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.FLOAT:
      return { type: "number", format: "float" };
    case ScalarType.DOUBLE:
      return { type: "number", format: "double" };
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return { type: "string", format: "int64", pattern: "^-?[0-9]+$" };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { type: "string", format: "uint64", pattern: "^[0-9]+$" };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", format: "uint32", minimum: 0, maximum: 4_294_967_295 };
    default:
      return { type: "integer", format: "int32", minimum: -2_147_483_648, maximum: 2_147_483_647 };
  }
}

/** Messages that have a form of their own in JSON. */
function wellKnown({ typeName, fields }: DescMessage): Schema | undefined {
  switch (typeName) {
    case "google.protobuf.Timestamp":
      return { type: "string", format: "date-time" };
    case "google.protobuf.Duration":
      return {
        type: "string",
        pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$",
        description: 'Seconds, such as "1.5s".',
      };
    case "google.protobuf.FieldMask":
      return {
        type: "string",
        description: 'Field paths, separated by commas, such as "name,region.start".',
      };
    case "google.protobuf.Empty":
      return { type: "object", properties: {} };
    case "google.protobuf.Struct":
      return { type: "object", additionalProperties: true };
    case "google.protobuf.Value":
      return { description: "Any JSON value." };
    case "google.protobuf.ListValue":
      return { type: "array", items: {} };
    case "google.protobuf.Any":
      return {
        type: "object",
        properties: { "@type": { type: "string", description: "The message's type URL." } },
        required: ["@type"],
        additionalProperties: true,
      };
    case "google.api.HttpBody":
      return { description: "Content of the type that the answer's header names." };
  }
  const [value] = fields;
  const wraps = /^google\.protobuf\.(?:\w+)Value$/.test(typeName) && value?.fieldKind === "scalar";
  return wraps ? scalar(value.scalar) : undefined;
}

function isRequired(field: DescField): boolean {
  return field.presence === LEGACY_REQUIRED || behaviorsOf(field).includes(REQUIRED);
}

function behaviorsOf({ proto: { options } }: DescField): number[] {
  if (options?.$unknown === undefined) return [];
  const reader = new BinaryReader(toBinary(FieldOptionsSchema, options));
  const out: number[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== BEHAVIOR_OPTION) reader.skip(wireType, field);
    else if (wireType === 0) out.push(reader.int32());
    else {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) out.push(reader.int32());
    }
  }
  return out;
}
