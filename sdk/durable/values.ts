import { RouseError } from "../errors.ts";

/*
 * Values in a journal: UTF-8 JSON. What JSON has is written as it is, so that a journal can be read by people. The rest is an
 * object with the key "$": {"$":"bigint","v":"12"}; an object of the user's that has this key itself is {"$":"object","v":{…}}.
 */

/** Most bytes of one value in a journal: those that orders takes. */
export const MOST_VALUE_BYTES = 2 ** 20;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Writes a value for the journal: what JSON has, and undefined, bigint, NaN, ±Infinity, -0, Date, Uint8Array, Map and Set.
 *
 * @param what Whose value it is, for the error's message: 'The result of step "charge"'.
 * @throws RouseError INVALID_ARGUMENT VALUE_UNSUPPORTED for anything else (class instances, functions, cycles), with its path;
 *   RESOURCE_EXHAUSTED VALUE_TOO_LARGE.
 */
export function encodeValue(value: unknown, what = "The value"): Uint8Array {
  const json = JSON.stringify(toJson(value, "", [], what));
  const bytes = encoder.encode(json);
  if (bytes.length > MOST_VALUE_BYTES)
    throw new RouseError(
      "RESOURCE_EXHAUSTED",
      `${what} has ${bytes.length} bytes in the journal, and ${MOST_VALUE_BYTES} is the most. Write it somewhere, such as to an artifact, and return where.`,
      { reason: "VALUE_TOO_LARGE" },
    );
  return bytes;
}

/**
 * Reads what {@link encodeValue} wrote. Objects are plain ones, and shared parts are copies.
 *
 * @throws RouseError DATA_LOSS VALUE_MALFORMED
 */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    return fromJson(JSON.parse(decoder.decode(bytes)) as Json);
  } catch (cause) {
    throw new RouseError(
      "DATA_LOSS",
      `A value of the journal cannot be read (${(cause as Error).message}). It was written by another program than Rouse, or damaged.`,
      { reason: "VALUE_MALFORMED", cause },
    );
  }
}

function toJson(value: unknown, path: string, within: readonly object[], what: string): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? value : special(value);
    case "undefined":
      return { $: "undefined" };
    case "bigint":
      return { $: "bigint", v: String(value) };
    case "object":
      return value === null ? null : objectToJson(value, path, within, what);
    default:
      throw unsupported(what, path, `a ${typeof value}`);
  }
}

function special(value: number): Json {
  return { $: "number", v: Object.is(value, -0) ? "-0" : String(value) };
}

function objectToJson(value: object, path: string, within: readonly object[], what: string): Json {
  if (within.includes(value)) throw unsupported(what, path, "a reference to what contains it");
  if (value instanceof Date) return { $: "date", v: Number.isNaN(value.getTime()) ? null : value.getTime() };
  if (value instanceof Uint8Array)
    return {
      $: "bytes",
      v: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64"),
    };
  const inside = [...within, value];
  const part = (inner: unknown, name: string) => toJson(inner, `${path}${name}`, inside, what);
  // Holes in an array are undefined, as they are when one reads them.
  if (Array.isArray(value)) return Array.from(value, (item, index) => part(item, `[${index}]`));
  if (value instanceof Map)
    return {
      $: "map",
      v: [...value].map(([key, item], index) => [
        part(key, `.keys[${index}]`),
        part(item, `.values[${index}]`),
      ]),
    };
  if (value instanceof Set) return { $: "set", v: [...value].map((item, index) => part(item, `[${index}]`)) };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw unsupported(what, path, `an instance of ${value.constructor?.name || "a class"}`);
  if (Object.getOwnPropertySymbols(value).length > 0) throw unsupported(what, path, "an object with symbols");
  const out: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) put(out, key, part(item, `.${key}`));
  return Object.hasOwn(out, "$") ? { $: "object", v: out } : out;
}

function fromJson(json: Json): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromJson);
  if (!Object.hasOwn(json, "$")) return plain(json);
  const { $: kind, v = null } = json;
  switch (kind) {
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(text(v));
    case "number":
      return Number(text(v));
    case "date":
      return new Date(typeof v === "number" ? v : Number.NaN);
    case "bytes":
      return new Uint8Array(Buffer.from(text(v), "base64"));
    case "map":
      return new Map(
        list(v).map((entry) => {
          const [key = null, item = null] = list(entry);
          return [fromJson(key), fromJson(item)];
        }),
      );
    case "set":
      return new Set(list(v).map(fromJson));
    case "object":
      if (typeof v === "object" && v !== null && !Array.isArray(v)) return plain(v);
      break;
  }
  throw new Error(`no value is of the kind ${JSON.stringify(kind)}`);
}

function plain(json: { [key: string]: Json }): object {
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(json)) put(out, key, fromJson(item));
  return out;
}

/** A key "__proto__" is a key like any other. */
function put(out: object, key: string, value: unknown): void {
  Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
}

function text(json: Json): string {
  if (typeof json === "string") return json;
  throw new Error("text is missing");
}

function list(json: Json): Json[] {
  if (Array.isArray(json)) return json;
  throw new Error("a list is missing");
}

function unsupported(what: string, path: string, found: string): RouseError {
  const where = path === "" ? "is" : `has at ${path.replace(/^\./, "")}`;
  return new RouseError(
    "INVALID_ARGUMENT",
    `${what} ${where} ${found}, which a journal cannot hold. Return plain objects and arrays, text, numbers, bigint, Date, Uint8Array, Map or Set.`,
    { reason: "VALUE_UNSUPPORTED" },
  );
}
