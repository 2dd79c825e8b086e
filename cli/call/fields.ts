import { readFileSync } from "node:fs";
import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { RouseError } from "../../sdk/errors.ts";

/**
 * Makes a request of fields as people type them: `name=chr1`, `region.start=5` for a field of a message, the same name again for
 * a further element of a list, `labels.color=red` for an entry of a map. A value is what the field's type makes of it; `@file` is a
 * file's content (`@@` for an at sign); for a message it is JSON.
 *
 * @param base What the fields are put into.
 * @throws RouseError INVALID_ARGUMENT FIELD_INVALID saying which field is wrong, and what there is.
 */
export function requestOfFields(
  message: DescMessage,
  fields: readonly string[],
  base: JsonObject = {},
): JsonObject {
  const request = structuredClone(base);
  const begun = new Set<string>();
  for (const text of fields) {
    const equals = text.indexOf("=");
    if (equals < 1) throw invalid(`-f "${text}" is no field: write -f name=value.`);
    put(request, message, text.slice(0, equals), text.slice(equals + 1), begun);
  }
  return request;
}

function put(
  request: JsonObject,
  message: DescMessage,
  path: string,
  value: string,
  begun: Set<string>,
): void {
  let at = request;
  let type = message;
  const names = path.split(".");
  for (const [index, name] of names.entries()) {
    const field = type.fields.find((one) => one.name === name || one.jsonName === name);
    if (field === undefined) throw unknown(type, name);
    const last = index === names.length - 1;
    const key = field.jsonName;
    // What JSON calls by the contract's name is called so here.
    if (field.name !== key && at[field.name] !== undefined) {
      at[key] = at[field.name] as JsonValue;
      delete at[field.name];
    }
    if (field.fieldKind === "map" && !last) {
      const entries = child(at, key);
      entries[names.slice(index + 1).join(".")] = elementOf(field, value, path);
      return;
    }
    if (last) {
      at[key] =
        field.fieldKind === "list"
          ? appended(at, key, field, value, path, begun)
          : single(field, value, path);
      return;
    }
    if (field.fieldKind !== "message")
      throw invalid(`-f ${path}: ${name} of ${type.typeName} has no fields.`);
    at = child(at, key);
    type = field.message;
  }
}

/** The first mention begins the list anew, so that fields replace what JSON says. */
function appended(
  at: JsonObject,
  key: string,
  field: DescField,
  value: string,
  path: string,
  begun: Set<string>,
): JsonValue {
  const before = begun.has(path) && Array.isArray(at[key]) ? at[key] : [];
  begun.add(path);
  return [...before, elementOf(field, value, path)];
}

function child(at: JsonObject, key: string): JsonObject {
  const found = at[key];
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return found;
  const made: JsonObject = {};
  at[key] = made;
  return made;
}

function single(field: DescField, value: string, path: string): JsonValue {
  if (field.fieldKind === "scalar") return scalar(field.scalar, value, path);
  if (field.fieldKind === "enum") return enumValue(value);
  return structured(field, value, path);
}

function elementOf(field: DescField, value: string, path: string): JsonValue {
  const kind =
    field.fieldKind === "list" ? field.listKind : field.fieldKind === "map" ? field.mapKind : "message";
  if (kind === "scalar" && field.scalar !== undefined) return scalar(field.scalar, value, path);
  if (kind === "enum") return enumValue(value);
  return structured(field, value, path);
}

/** Names and numbers are both good. */
function enumValue(value: string): JsonValue {
  return /^-?\d+$/.test(value) ? Number(value) : value;
}

function scalar(type: ScalarType, value: string, path: string): JsonValue {
  if (type === ScalarType.STRING) return contentOf(value, path).toString("utf8");
  if (type === ScalarType.BYTES)
    return value.startsWith("@") && !value.startsWith("@@")
      ? contentOf(value, path).toString("base64")
      : value;
  if (type === ScalarType.BOOL) {
    if (value === "true" || value === "false") return value === "true";
    throw invalid(`-f ${path}: "${value}" is neither true nor false.`);
  }
  if (/^-?\d+$/.test(value) || type === ScalarType.DOUBLE || type === ScalarType.FLOAT) return value;
  throw invalid(`-f ${path}: "${value}" is no whole number.`);
}

/** Messages: JSON; those whose JSON is a string, such as times, need no quotes. */
function structured(field: DescField, value: string, path: string): JsonValue {
  const text = contentOf(value, path).toString("utf8");
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    if (field.message?.typeName.startsWith("google.protobuf.") === true) return text;
    throw invalid(
      `-f ${path}: a ${field.message?.typeName ?? "message"} is JSON (${(cause as Error).message}).`,
    );
  }
}

function contentOf(value: string, path: string): Buffer {
  if (value.startsWith("@@")) return Buffer.from(value.slice(1));
  if (!value.startsWith("@")) return Buffer.from(value);
  try {
    return readFileSync(value.slice(1));
  } catch (cause) {
    throw invalid(`-f ${path}: the file ${value.slice(1)} cannot be read (${(cause as Error).message}).`);
  }
}

function unknown(type: DescMessage, name: string): RouseError {
  const there = type.fields.map((field) => field.name).join(", ");
  return invalid(
    `${type.typeName} has no field "${name}"; ${there === "" ? "it has none" : `it has ${there}`}.`,
  );
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "FIELD_INVALID" });
}
