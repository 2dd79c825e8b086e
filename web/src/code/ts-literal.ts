import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { propertyKey, snakeToCamel } from "../../../codegen/names.ts";
import { fieldValue } from "../try/field-values.ts";
import { isObject, type Json, type JsonObject } from "../try/json.ts";
import { wrapperScalar } from "../try/kinds.ts";

const int64 = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

/**
 * A request as code writes it. A well-known type that is a request itself is the plain message: ts-proto unwraps it in
 * fields only.
 */
export function tsRequest(desc: DescMessage, json: Json, indent = ""): string {
  const inner = () => JSON.stringify(json, null, 2).replaceAll("\n", `\n${indent}`);
  if (wrapperScalar(desc) !== undefined) return `{ value: ${tsLiteral(desc, json, indent)} }`;
  switch (desc.typeName) {
    case "google.protobuf.FieldMask":
      return `{ paths: ${tsLiteral(desc, json, indent)} }`;
    case "google.protobuf.Struct":
      return `{ fields: ${inner()} }`;
    case "google.protobuf.ListValue":
      return `{ values: ${inner()} }`;
    case "google.protobuf.Value":
      return json === null
        ? '{ kind: { $case: "nullValue", value: 0 } }'
        : `{ kind: { $case: "${valueCase(json)}", value: ${inner()} } }`;
    default:
      return tsLiteral(desc, json, indent);
  }
}

function valueCase(json: Json): string {
  if (Array.isArray(json)) return "listValue";
  switch (typeof json) {
    case "string":
      return "stringValue";
    case "number":
      return "numberValue";
    case "boolean":
      return "boolValue";
    default:
      return "structValue";
  }
}

/** A message as code writes it for the types that `rouse gen` makes. @param json in protobuf's JSON mapping. */
export function tsLiteral(desc: DescMessage, json: Json, indent = ""): string {
  const known = knownLiteral(desc, json, indent);
  if (known !== undefined) return known;
  const object = isObject(json) ? json : {};
  const next = `${indent}  `;
  const lines = desc.members.map((member) => {
    const key = propertyKey(snakeToCamel(member.name));
    if (member.kind === "field") return `${key}: ${fieldLiteral(member, object, next)}`;
    const chosen = member.fields.find((field) => fieldValue(field, object) !== undefined);
    if (chosen === undefined) return `${key}: undefined`;
    const name = JSON.stringify(snakeToCamel(chosen.name));
    return `${key}: { $case: ${name}, value: ${fieldLiteral(chosen, object, next)} }`;
  });
  if (lines.length === 0) return "{}";
  const short = `{ ${lines.join(", ")} }`;
  if (short.length <= 70 && !short.includes("\n")) return short;
  return `{\n${lines.map((line) => `${next}${line},\n`).join("")}${indent}}`;
}

function fieldLiteral(field: DescField, object: JsonObject, indent: string): string {
  const value = fieldValue(field, object);
  if (field.fieldKind === "list") {
    const entries = Array.isArray(value) ? value : [];
    return `[${entries.map((entry) => single(field, entry, indent)).join(", ")}]`;
  }
  if (field.fieldKind === "map") return mapLiteral(field, isObject(value) ? value : {}, indent);
  return single(field, value, indent);
}

function mapLiteral(field: DescField & { fieldKind: "map" }, value: JsonObject, indent: string): string {
  const entries = Object.entries(value);
  if (int64.has(field.mapKey) || field.mapKey === ScalarType.BOOL) {
    const key = (text: string) => (field.mapKey === ScalarType.BOOL ? text : `${text}n`);
    return `new Map([${entries.map(([name, entry]) => `[${key(name)}, ${single(field, entry, indent)}]`).join(", ")}])`;
  }
  if (entries.length === 0) return "{}";
  const parts = entries.map(([name, entry]) => {
    const number = field.mapKey !== ScalarType.STRING && !name.startsWith("-");
    const key = number ? name : /^-\d/.test(name) ? `[${name}]` : propertyKey(name);
    return `${key}: ${single(field, entry, indent)}`;
  });
  return `{ ${parts.join(", ")} }`;
}

function single(field: DescField, value: Json | undefined, indent: string): string {
  const always = field.presence === FeatureSet_FieldPresence.IMPLICIT;
  if (field.message !== undefined)
    return value === undefined ? "undefined" : tsLiteral(field.message, value, indent);
  if (field.enum !== undefined) {
    if (value === undefined && !always) return "undefined";
    const found = field.enum.values.find(
      ({ name, number }) => name === value || number === value || value === undefined,
    );
    return found === undefined ? String(value ?? 0) : `${found.number} /* ${found.name} */`;
  }
  if (value === undefined && !always) return "undefined";
  return scalarLiteral(field.scalar ?? ScalarType.STRING, value);
}

function scalarLiteral(scalar: ScalarType, value: Json | undefined): string {
  if (scalar === ScalarType.STRING) return JSON.stringify(value ?? "");
  if (scalar === ScalarType.BOOL) return String(value === true);
  if (scalar === ScalarType.BYTES) {
    const bytes = base64Decode(typeof value === "string" ? value : "");
    return `new Uint8Array([${bytes.length > 64 ? `/* ${bytes.length} bytes */` : bytes.join(", ")}])`;
  }
  if (int64.has(scalar)) return `${value ?? 0}n`;
  if (value === "Infinity" || value === "-Infinity") return String(value);
  return String(Number(value ?? 0));
}

/** Well-known types have shapes of their own in ts-proto. */
function knownLiteral(desc: DescMessage, json: Json, indent: string): string | undefined {
  const scalar = wrapperScalar(desc);
  if (scalar !== undefined) return scalarLiteral(scalar, json);
  switch (desc.typeName) {
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
    case "google.protobuf.ListValue":
      return JSON.stringify(json, null, 2).replaceAll("\n", `\n${indent}`);
    case "google.protobuf.FieldMask":
      return JSON.stringify(typeof json === "string" && json !== "" ? json.split(",") : []);
    case "google.protobuf.Timestamp": {
      const ms = Date.parse(String(json));
      return `{ seconds: ${Math.floor(ms / 1_000)}n, nanos: ${(((ms % 1_000) + 1_000) % 1_000) * 1_000_000} }`;
    }
    case "google.protobuf.Duration": {
      const [, sign = "", whole = "0", part = ""] = /^(-?)(\d+)(?:\.(\d+))?s$/.exec(String(json)) ?? [];
      const nanos = Number(part.padEnd(9, "0").slice(0, 9));
      return `{ seconds: ${sign}${whole}n, nanos: ${nanos === 0 ? "" : sign}${nanos} }`;
    }
    case "google.protobuf.Any":
      return `{ typeUrl: ${JSON.stringify(isObject(json) ? (json["@type"] ?? "") : "")}, value: new Uint8Array() }`;
    default:
      return undefined;
  }
}
