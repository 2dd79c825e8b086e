import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { ReadContract } from "./contract.ts";
import type { Json, JsonObject } from "./json.ts";
import { type Kind, valueKind, wrapperScalar } from "./kinds.ts";

/** Messages inside messages that an example opens. */
const deepest = 3;

/**
 * A request to begin with: each field has the value that its comment names ("such as "NC_001416.1""), or else a plain one
 * of its type. Of a oneof the first, of lists and maps one entry; what refers to itself is left out.
 */
export function exampleOf(desc: DescMessage, contract: ReadContract): Json {
  const scalar = wrapperScalar(desc);
  if (scalar !== undefined) return scalarExample(scalar, "", "");
  if (knownExamples[desc.typeName] !== undefined) return knownExamples[desc.typeName] ?? null;
  return message(desc, contract, [desc.typeName]);
}

const knownExamples: Readonly<Record<string, Json>> = {
  "google.protobuf.Timestamp": "2026-01-31T12:00:00Z",
  "google.protobuf.Duration": "1.5s",
  "google.protobuf.FieldMask": "name",
  "google.protobuf.Struct": { key: "value" },
  "google.protobuf.Value": "value",
  "google.protobuf.ListValue": ["value"],
  "google.protobuf.Any": { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.5s" },
};

function message(desc: DescMessage, contract: ReadContract, path: readonly string[]): JsonObject {
  const entries: [string, Json][] = [];
  const begun = new Set<string>();
  for (const field of desc.fields) {
    if (field.oneof !== undefined && begun.has(field.oneof.name)) continue;
    const value = fieldExample(field, contract, path);
    if (value === undefined) continue;
    if (field.oneof !== undefined) begun.add(field.oneof.name);
    entries.push([field.jsonName, value]);
  }
  return Object.fromEntries(entries);
}

function fieldExample(field: DescField, contract: ReadContract, path: readonly string[]): Json | undefined {
  const docs = contract.docs(field.parent.typeName, field.name);
  const value = single(valueKind(field), field, docs, contract, path);
  if (value === undefined || field.fieldKind === "scalar" || field.fieldKind === "enum") return value;
  if (field.fieldKind === "list") return [value];
  if (field.fieldKind === "map")
    return Object.fromEntries([[String(scalarExample(field.mapKey, "key", "")), value]]);
  return value;
}

function single(
  kind: Kind,
  field: DescField,
  docs: string,
  contract: ReadContract,
  path: readonly string[],
): Json | undefined {
  switch (kind.is) {
    case "text":
      return scalarExample(ScalarType.STRING, field.name, docs);
    case "bytes":
      return scalarExample(ScalarType.BYTES, field.name, docs);
    case "bool":
      return false;
    case "number":
      return scalarExample(kind.scalar, field.name, docs);
    case "enum":
      // The first is usually "unspecified".
      return (kind.desc.values[1] ?? kind.desc.values[0])?.name;
    case "message":
      if (path.includes(kind.desc.typeName) || path.length > deepest) return undefined;
      return message(kind.desc, contract, [...path, kind.desc.typeName]);
    default:
      return knownExamples[kind.desc.typeName];
  }
}

function scalarExample(scalar: ScalarType, name: string, docs: string): Json {
  const told = toldExample(docs);
  switch (scalar) {
    case ScalarType.STRING:
      return told ?? (/token/i.test(name) ? "" : name === "" ? "text" : name.replaceAll("_", " "));
    case ScalarType.BYTES:
      return "aGVsbG8=";
    case ScalarType.BOOL:
      return false;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return told !== undefined && Number.isFinite(Number(told)) ? Number(told) : 1.5;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return told !== undefined && /^\d+$/.test(told) ? told : zeroMeans(docs) ? "0" : "1";
    default:
      return told !== undefined && /^\d{1,9}$/.test(told) ? Number(told) : zeroMeans(docs) ? 0 : 1;
  }
}

/** The value after "such as" or "for example" in a comment. */
function toldExample(docs: string): string | undefined {
  const [, quoted, plain] =
    /(?:such as|e\.g\.|for example|for instance)[, ]+(?:["`“]([^"`”\n]{1,80})["`”]|([\d.]+\d|\d))/i.exec(
      docs,
    ) ?? [];
  return quoted ?? plain;
}

/** Comments such as "0: the last of the reference." say that leaving the field out is fine. */
function zeroMeans(docs: string): boolean {
  return /(^|[\s(])0[:=]/.test(docs);
}
