import { BinaryReader } from "@bufbuild/protobuf/wire";

/** An attribute's value; lists and maps are left out. */
export type AttributeValue = string | number | boolean;
export type Attributes = Record<string, AttributeValue>;

/** Bounds of what is taken of one span, resource or point. */
const MOST_ATTRIBUTES = 64;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 1_024;

/*
 * OTLP is read by hand, field by field (numbers from https://github.com/open-telemetry/opentelemetry-proto, v1): times are
 * 64-bit, of which the mesh's generated code makes numbers, and what is not looked at costs nothing.
 */

/** Calls `field` for each field of a message; it answers false for one that it does not read. */
export function eachField(bytes: Uint8Array, field: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (!field(number, reader)) reader.skip(type, number);
  }
}

/** Adds a KeyValue (common.proto) to the attributes, within their bounds. */
export function readAttribute(bytes: Uint8Array, to: Attributes): void {
  let key = "";
  let value: AttributeValue | undefined;
  eachField(bytes, (number, reader) => {
    if (number === 1) key = reader.string();
    else if (number === 2) value = readValue(reader.bytes());
    else return false;
    return true;
  });
  if (key === "" || key.length > LONGEST_KEY || value === undefined) return;
  if (Object.keys(to).length >= MOST_ATTRIBUTES) return;
  Object.defineProperty(to, key, {
    value: short(value),
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function readValue(bytes: Uint8Array): AttributeValue | undefined {
  let value: AttributeValue | undefined;
  eachField(bytes, (number, reader) => {
    if (number === 1) value = reader.string();
    else if (number === 2) value = reader.bool();
    else if (number === 3) value = Number(reader.int64());
    else if (number === 4) value = reader.double();
    else return false;
    return true;
  });
  return value;
}

function short(value: AttributeValue): AttributeValue {
  return typeof value === "string" && value.length > LONGEST_VALUE
    ? `${value.slice(0, LONGEST_VALUE)}…`
    : value;
}

/** The attribute as text; "" when there is none. */
export function textOf(attributes: Attributes, name: string): string {
  const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  return value === undefined ? "" : String(value);
}

/** Attributes of a Resource (resource.proto). */
export function readResource(bytes: Uint8Array): Attributes {
  const attributes: Attributes = {};
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    readAttribute(reader.bytes(), attributes);
    return true;
  });
  return attributes;
}
