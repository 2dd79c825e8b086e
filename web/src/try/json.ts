import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** A value of a request as protobuf's JSON mapping writes it. */
export type Json = JsonValue;
export type { JsonObject };

/** Whether it is an object, and not null or an array. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A copy with one key set, in its place; undefined: removed. A key such as "__proto__" is one like any other. */
export function withKey(object: JsonObject, key: string, value: Json | undefined): JsonObject {
  const entries = Object.entries(object);
  const at = entries.findIndex(([name]) => name === key);
  if (value === undefined) return Object.fromEntries(entries.filter(([name]) => name !== key));
  if (at < 0) entries.push([key, value]);
  else entries[at] = [key, value];
  return Object.fromEntries(entries);
}

/** Where a value is, as messages about it say: "region.start", `labels["a b"]`, "items[2]". "" is the request. */
export function fieldPath(parent: string, name: string): string {
  return parent === "" ? name : `${parent}.${name}`;
}

/** Path of an entry of a list or map. */
export function entryPath(parent: string, key: number | string): string {
  return `${parent}[${typeof key === "number" ? key : JSON.stringify(key)}]`;
}

/** What was read of a JSON text. */
export type Parsed = { value: Json } | { error: string };

/**
 * Reads JSON; whole numbers that JavaScript cannot hold become strings of their digits, as protobuf's mapping writes
 * 64-bit numbers.
 */
export function parseJson(text: string): Parsed {
  if (text.trim() === "") return { value: {} };
  try {
    const value: Json = JSON.parse(text, (_key, value: Json, context?: { source?: string }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
        ? (context?.source ?? "")
        : value,
    );
    return { value };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return { error: `This is no JSON: ${why}.` };
  }
}

/** JSON as the form's other view shows it. */
export function formatJson(value: Json): string {
  return JSON.stringify(value, null, 2);
}
