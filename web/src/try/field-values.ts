import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Json, JsonObject } from "./json.ts";
import type { Kind } from "./kinds.ts";

/** The key that sets a field: JSON may have the name of the contract instead of the JSON name. */
export function keyOf(field: DescField, object: JsonObject): string {
  return !Object.hasOwn(object, field.jsonName) && Object.hasOwn(object, field.name)
    ? field.name
    : field.jsonName;
}

/** Value of a field; undefined: it is not set. null counts as not set, but for those types that have a null. */
export function fieldValue(field: DescField, object: JsonObject): Json | undefined {
  const key = keyOf(field, object);
  if (!Object.hasOwn(object, key)) return undefined;
  const value = object[key];
  if (value !== null) return value;
  const type = field.message?.typeName ?? field.enum?.typeName;
  return type === "google.protobuf.Value" || type === "google.protobuf.NullValue" ? null : undefined;
}

/** Whether "not set" differs from the zero value, so that the form needs a switch for it. */
export function hasSwitch(field: DescField): boolean {
  return (
    (field.fieldKind === "scalar" || field.fieldKind === "enum" || field.fieldKind === "message") &&
    field.presence !== FeatureSet_FieldPresence.IMPLICIT &&
    field.presence !== FeatureSet_FieldPresence.LEGACY_REQUIRED
  );
}

/** What a value is when it is first set. */
export function zeroOf(kind: Kind): Json {
  switch (kind.is) {
    case "text":
    case "bytes":
      return "";
    case "bool":
      return false;
    case "number":
      return kind.scalar === ScalarType.DOUBLE || kind.scalar === ScalarType.FLOAT
        ? 0
        : zeroNumber(kind.scalar);
    case "enum":
      return kind.desc.typeName === "google.protobuf.NullValue" ? null : (kind.desc.values[0]?.name ?? 0);
    case "message":
      return {};
    case "known-text":
      return kind.desc.name === "Timestamp"
        ? new Date().toISOString()
        : kind.desc.name === "Duration"
          ? "0s"
          : "";
    case "json":
      return kind.desc.name === "ListValue" ? [] : kind.desc.name === "Value" ? null : {};
  }
}

function zeroNumber(scalar: ScalarType): Json {
  const small = [
    ScalarType.INT32,
    ScalarType.SINT32,
    ScalarType.SFIXED32,
    ScalarType.UINT32,
    ScalarType.FIXED32,
  ];
  return small.includes(scalar) ? 0 : "0";
}
