import type protobuf from "protobufjs";
import { RouseError } from "../../sdk/errors.ts";
import { messageType } from "./root.ts";

/** Protobuf's canonical JSON with proto field names: what Envoy's own configuration files are written in. */
export type Json = string | number | boolean | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json;
}

type Plain = Record<string, unknown>;

const wrapper = /^\.google\.protobuf\.(Bool|UInt32|Int32|UInt64|Int64|Double|Float|String|Bytes)Value$/;

/**
 * Encodes canonical JSON as the named message.
 *
 * @throws RouseError INTERNAL naming the field that the message does not have.
 */
export function encodeJson(typeName: string, json: JsonObject): Uint8Array {
  const type = messageType(typeName);
  return type.encode(type.fromObject(message(type, json, typeName))).finish();
}

function message(type: protobuf.Type, json: JsonObject, path: string): Plain {
  const out: Plain = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === "@type") continue;
    const field = type.fields[name];
    if (field === undefined) {
      throw new RouseError("INTERNAL", `${path}: ${type.fullName} has no field "${name}".`, {
        reason: "ENVOY_FIELD_UNKNOWN",
      });
    }
    field.resolve();
    out[field.name] = fieldValue(field, value, `${path}.${name}`);
  }
  return out;
}

function fieldValue(field: protobuf.Field, value: Json, path: string): unknown {
  if (field.map) {
    const entries = Object.entries(value as JsonObject);
    return Object.fromEntries(entries.map(([key, item]) => [key, single(field, item, `${path}[${key}]`)]));
  }
  if (field.repeated)
    return (value as readonly Json[]).map((item, i) => single(field, item, `${path}[${i}]`));
  return single(field, value, path);
}

function single(field: protobuf.Field, value: Json, path: string): unknown {
  const type = field.resolvedType;
  if (type === null || !("fields" in type)) return value;
  const object = value as JsonObject;
  switch (formOf(type as protobuf.Type)) {
    case "wrapper":
      return { value };
    case "duration":
      return duration(value as string);
    case "any": {
      const url = object["@type"];
      // An empty one says something, too: that a filter is on, without a configuration.
      if (url === undefined) return {};
      return { type_url: url, value: encodedAny(String(url), object) };
    }
    case "plain":
      return message(type as protobuf.Type, object, path);
  }
}

type Form = "wrapper" | "duration" | "any" | "plain";

const forms = new Map<protobuf.Type, Form>();

/** How a message is written in JSON. Kept, for protobufjs puts a type's full name together anew each time. */
function formOf(type: protobuf.Type): Form {
  const known = forms.get(type);
  if (known !== undefined) return known;
  const { fullName } = type;
  let form: Form = "plain";
  if (wrapper.test(fullName)) form = "wrapper";
  else if (fullName === ".google.protobuf.Duration") form = "duration";
  else if (fullName === ".google.protobuf.Any") form = "any";
  forms.set(type, form);
  return form;
}

const anys = new WeakMap<JsonObject, Uint8Array>();

/** What stands in many places, or in one resource after the other, is encoded once. */
function encodedAny(url: string, object: JsonObject): Uint8Array {
  const known = anys.get(object);
  if (known !== undefined) return known;
  const made = encodeJson(url.slice(url.lastIndexOf("/") + 1), object);
  anys.set(object, made);
  return made;
}

/** "1.5s" → 1 second, 500,000,000 ns. */
function duration(text: string): { seconds: number; nanos: number } {
  const value = Number(text.slice(0, -1));
  const seconds = Math.trunc(value);
  return { seconds, nanos: Math.round((value - seconds) * 1e9) };
}

/** `{ "@type": …, ...fields }` for the named message. */
export function any(typeName: string, fields: JsonObject = {}): JsonObject {
  return { "@type": `type.googleapis.com/${typeName}`, ...fields };
}
