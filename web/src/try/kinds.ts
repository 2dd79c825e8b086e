import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** Which widget edits a value. */
export type Kind =
  | { is: "text" }
  | { is: "bytes" }
  | { is: "bool" }
  | { is: "number"; scalar: ScalarType }
  | { is: "enum"; desc: NonNullable<DescField["enum"]> }
  | { is: "message"; desc: DescMessage }
  /** A well-known type whose JSON is one text: Timestamp, Duration, FieldMask. */
  | { is: "known-text"; desc: DescMessage; example: string }
  /** A well-known type that is written as JSON: Struct, Value, ListValue, Any. */
  | { is: "json"; desc: DescMessage; example: string };

const wrapped: Readonly<Record<string, ScalarType>> = {
  BoolValue: ScalarType.BOOL,
  BytesValue: ScalarType.BYTES,
  DoubleValue: ScalarType.DOUBLE,
  FloatValue: ScalarType.FLOAT,
  Int32Value: ScalarType.INT32,
  Int64Value: ScalarType.INT64,
  StringValue: ScalarType.STRING,
  UInt32Value: ScalarType.UINT32,
  UInt64Value: ScalarType.UINT64,
};

const texts: Readonly<Record<string, string>> = {
  Timestamp: "2026-01-31T12:00:00Z",
  Duration: "1.5s",
  FieldMask: "name,region.start",
};

const jsons: Readonly<Record<string, string>> = {
  Struct: '{"key": "value"}',
  Value: '"any JSON"',
  ListValue: '[1, "two"]',
  Any: '{"@type": "type.googleapis.com/package.Message"}',
};

const prefix = "google.protobuf.";

/** Kind of a scalar, or of a wrapper's scalar. */
export function scalarKind(scalar: ScalarType): Kind {
  if (scalar === ScalarType.STRING) return { is: "text" };
  if (scalar === ScalarType.BYTES) return { is: "bytes" };
  if (scalar === ScalarType.BOOL) return { is: "bool" };
  return { is: "number", scalar };
}

/** Scalar of a wrapper such as google.protobuf.Int64Value. */
export function wrapperScalar(desc: DescMessage): ScalarType | undefined {
  return desc.typeName.startsWith(prefix) ? wrapped[desc.typeName.slice(prefix.length)] : undefined;
}

export function messageKind(desc: DescMessage): Kind {
  if (!desc.typeName.startsWith(prefix)) return { is: "message", desc };
  const name = desc.typeName.slice(prefix.length);
  const scalar = wrapped[name];
  if (scalar !== undefined) return scalarKind(scalar);
  const text = texts[name];
  if (text !== undefined) return { is: "known-text", desc, example: text };
  const json = jsons[name];
  return json === undefined ? { is: "message", desc } : { is: "json", desc, example: json };
}

/** Kind of a field's value, or of the values of a list or map. */
export function valueKind(field: DescField): Kind {
  if (field.enum !== undefined) return { is: "enum", desc: field.enum };
  if (field.message !== undefined) return messageKind(field.message);
  return scalarKind(field.scalar);
}

/** Type of a value as contracts write it: "int64", "genome.v1.Region". */
export function typeName(field: DescField): string {
  const value =
    field.enum?.typeName ?? field.message?.typeName ?? ScalarType[field.scalar ?? 0]?.toLowerCase() ?? "";
  if (field.fieldKind === "list") return `repeated ${value}`;
  if (field.fieldKind === "map") return `map<${ScalarType[field.mapKey]?.toLowerCase()}, ${value}>`;
  return value;
}
