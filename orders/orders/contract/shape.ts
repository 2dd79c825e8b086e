import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** What kind of JSON a part of a message is, by the JSON mapping of proto3. */
export type Shape =
  | { readonly kind: "number" | "text" | "bytes" | "bool" }
  | { readonly kind: "enum"; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: "message"; readonly desc: DescMessage }
  | { readonly kind: "list" | "map"; readonly of: Shape }
  /** Anything: google.protobuf.Value and its like. */
  | { readonly kind: "any" };

const ANYTHING = new Set([
  "google.protobuf.Any",
  "google.protobuf.Struct",
  "google.protobuf.Value",
  "google.protobuf.ListValue",
]);

/** True for messages whose JSON is not an object of their fields, such as google.protobuf.Timestamp. */
export function isWellKnown({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}

export function messageShape(desc: DescMessage): Shape {
  return ANYTHING.has(desc.typeName) ? { kind: "any" } : { kind: "message", desc };
}

export function fieldShape(field: DescField): Shape {
  switch (field.fieldKind) {
    case "scalar":
      return scalarShape(field.scalar);
    case "enum":
      return enumShape(field.enum);
    case "message":
      return messageShape(field.message);
    default:
      return { kind: field.fieldKind, of: elementShape(field) };
  }
}

/** Of an element of a list or a map. */
function elementShape(field: DescField & { fieldKind: "list" | "map" }): Shape {
  const kind = field.fieldKind === "list" ? field.listKind : field.mapKind;
  if (kind === "message" && field.message !== undefined) return messageShape(field.message);
  if (kind === "enum" && field.enum !== undefined) return enumShape(field.enum);
  return scalarShape(field.scalar ?? ScalarType.STRING);
}

function enumShape({ typeName, values }: DescEnum): Shape {
  return { kind: "enum", name: typeName, values: values.map(({ name }) => name) };
}

function scalarShape(scalar: ScalarType): Shape {
  if (scalar === ScalarType.STRING) return { kind: "text" };
  if (scalar === ScalarType.BYTES) return { kind: "bytes" };
  return { kind: scalar === ScalarType.BOOL ? "bool" : "number" };
}

/** The field of a message by the name that JSON may have for it. */
export function fieldOf({ fields }: DescMessage, name: string): DescField | undefined {
  return fields.find((field) => field.jsonName === name || field.name === name);
}

/**
 * The shape of a part of a message.
 *
 * @param path names of fields, keys of maps, places in lists.
 * @returns the shape, or in words why there is none.
 */
export function shapeAt(message: DescMessage, path: readonly string[]): Shape | string {
  let shape: Shape = messageShape(message);
  for (const [at, name] of path.entries()) {
    const here = at === 0 ? "its result" : `"${path.slice(0, at).join(".")}"`;
    if (shape.kind === "any") return shape;
    if (shape.kind === "map") shape = shape.of;
    else if (shape.kind === "list") {
      if (!/^\d+$/.test(name))
        return `${here} is a list: write a place in it, such as 0, instead of "${name}"`;
      shape = shape.of;
    } else if (shape.kind === "message" && !isWellKnown(shape.desc)) {
      const field = fieldOf(shape.desc, name);
      if (field === undefined) return `${here} has no field "${name}". ${fieldsThereAre(shape.desc)}`;
      shape = fieldShape(field);
    } else return `${here} is ${shapeWords(shape)} and has no part "${name}"`;
  }
  return shape;
}

/** "genome.v1.Region has reference, start, end" */
export function fieldsThereAre({ typeName, fields }: DescMessage): string {
  const names = fields.map(({ jsonName }) => jsonName).join(", ");
  return `${typeName} has ${names === "" ? "no fields" : names}`;
}

/**
 * Whether a value of one shape may stand where another is wanted. What is passed is JSON, so that messages of two contracts fit where
 * all fields of the one are in the other, by their JSON names; services need not know each other for that.
 *
 * @returns undefined when it fits; else in words why not, as in "… and X is Y".
 */
export function misfit(source: Shape, target: Shape): string | undefined {
  return misfitOf(source, target, new Set());
}

function misfitOf(source: Shape, target: Shape, seen: Set<string>): string | undefined {
  if (source.kind === "any" || target.kind === "any") return undefined;
  if (source.kind === "message" && target.kind === "message")
    return messageMisfit(source.desc, target.desc, seen);
  if ("of" in source && "of" in target && source.kind === target.kind)
    return misfitOf(source.of, target.of, seen);
  if (source.kind === "enum" && target.kind === "enum") {
    const missing = source.values.find((value) => !target.values.includes(value));
    return missing === undefined ? undefined : `${source.name}, whose ${missing} is not in ${target.name}`;
  }
  const fits = source.kind === target.kind || (source.kind === "enum" && target.kind === "text");
  return fits ? undefined : shapeWords(source);
}

function messageMisfit(source: DescMessage, target: DescMessage, seen: Set<string>): string | undefined {
  // Messages may hold themselves.
  const both = `${source.typeName} ${target.typeName}`;
  if (source.typeName === target.typeName || seen.has(both)) return undefined;
  if (isWellKnown(source) || isWellKnown(target)) return source.typeName;
  seen.add(both);
  for (const field of source.fields) {
    const wanted = target.fields.find(({ jsonName }) => jsonName === field.jsonName);
    const whose = `${source.typeName}, whose "${field.jsonName}"`;
    if (wanted === undefined) return `${whose} is not in ${target.typeName}`;
    const why = misfitOf(fieldShape(field), fieldShape(wanted), seen);
    if (why !== undefined) return `${whose} is ${why} and not ${shapeWords(fieldShape(wanted))}`;
  }
  return undefined;
}

export function shapeWords(shape: Shape): string {
  switch (shape.kind) {
    case "list":
      return `a list (of ${shapeWords(shape.of)})`;
    case "map":
      return `a map (of ${shapeWords(shape.of)})`;
    case "message":
      return shape.desc.typeName;
    case "enum":
      return shape.name;
    case "any":
      return "any JSON";
    case "bytes":
      return "bytes";
    default:
      return `a ${shape.kind}`;
  }
}
