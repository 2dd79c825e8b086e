import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";

/**
 * A message in protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec/), as options are written in
 * contracts.
 *
 * @param depth How deep the message is indented.
 */
export function textFormat(type: DescMessage, message: Message, depth: number): string {
  return block(reflect(type, message), depth);
}

function block(message: ReflectMessage, depth: number): string {
  const indent = "  ".repeat(depth + 1);
  const lines = message.sortedFields
    .filter((field) => message.isSet(field))
    .flatMap((field) => fieldLines(message, field, depth + 1).map((line) => indent + line));
  return lines.length === 0 ? "{}" : `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
}

function fieldLines(message: ReflectMessage, field: DescField, depth: number): string[] {
  const { name } = field;
  switch (field.fieldKind) {
    case "scalar":
      return [`${name}: ${scalar(field.scalar, message.get(field))}`];
    case "enum":
      return [`${name}: ${enumName(field, message.get(field))}`];
    case "message":
      return [`${name}: ${block(message.get(field), depth)}`];
    case "list": {
      const items = [...message.get(field)].map((item) => element(field, item, depth));
      return [`${name}: [${items.join(", ")}]`];
    }
    case "map":
      return [...message.get(field)].map(
        ([key, value]) =>
          `${name}: {key: ${scalar(field.mapKey, key)} value: ${element(field, value, depth)}}`,
      );
  }
}

function element(field: DescField & { fieldKind: "list" | "map" }, value: unknown, depth: number): string {
  if (field.message !== undefined) return block(value as ReflectMessage, depth);
  if (field.enum !== undefined) return enumName(field, value);
  return scalar(field.scalar ?? ScalarType.STRING, value);
}

/** The name of an enum's value; its number when the contract has no name for it. */
function enumName(field: DescField, value: unknown): string {
  return field.enum?.value[Number(value)]?.name ?? String(value);
}

/** A scalar as text format writes it. */
export function scalar(type: ScalarType, value: unknown): string {
  if (type === ScalarType.STRING) return JSON.stringify(value);
  if (type === ScalarType.BYTES) {
    const bytes = value as Uint8Array;
    return `"${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
  }
  if (type === ScalarType.DOUBLE || type === ScalarType.FLOAT) {
    if (Number.isNaN(value)) return "nan";
    if (value === Number.POSITIVE_INFINITY) return "inf";
    return value === Number.NEGATIVE_INFINITY ? "-inf" : String(value);
  }
  return String(value);
}
