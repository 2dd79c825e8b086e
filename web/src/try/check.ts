import { type DescField, type DescMessage, fromJson, type Registry, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { entryPath, fieldPath, isObject, type Json, type JsonObject } from "./json.ts";
import { type Kind, valueKind, wrapperScalar } from "./kinds.ts";
import { scalarProblem } from "./scalars.ts";

/** What is wrong, by the path of the value that is. */
export type Problems = ReadonlyMap<string, string>;

/** Deeper requests are refused: a page that draws them, or a server that reads them, would run out of stack. */
const deepest = 100;

/** Checks a request in protobuf's JSON mapping against its message. Everything that is wrong is told, each at its place. */
export function problemsOf(desc: DescMessage, value: Json, registry: Registry): Problems {
  const problems = new Map<string, string>();
  const add = (path: string, message: string) => {
    if (!problems.has(path)) problems.set(path, message);
  };

  const message = (of: DescMessage, json: Json, path: string, depth: number): void => {
    if (depth > deepest) {
      add(path, `This is more than ${deepest} messages deep.`);
      return;
    }
    if (!isObject(json)) {
      add(path, `Write an object, in braces, for ${of.typeName}.`);
      return;
    }
    const taken = new Map<string, string>();
    for (const [key, entry] of Object.entries(json)) {
      const field = of.fields.find((one) => one.jsonName === key || one.name === key);
      if (field === undefined) {
        if (!isExtension(key, registry)) add(fieldPath(path, key), noSuchField(of, key));
        continue;
      }
      const at = fieldPath(path, field.jsonName);
      if (entry === null && !takesNull(field)) continue;
      if (taken.has(field.name)) add(at, `Both "${taken.get(field.name)}" and "${key}" set this field.`);
      taken.set(field.name, key);
      const others = field.oneof?.fields.filter((one) => one !== field && isSet(one, json)) ?? [];
      if (others[0] !== undefined)
        add(at, `Only one of "${others[0].jsonName}" and "${field.jsonName}" can be set.`);
      fieldValue(field, entry, at, depth);
    }
    for (const field of of.fields) {
      if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED && !isSet(field, json))
        add(fieldPath(path, field.jsonName), "This field is required.");
    }
  };

  const fieldValue = (field: DescField, json: Json, path: string, depth: number): void => {
    const kind = valueKind(field);
    if (field.fieldKind === "list") {
      if (!Array.isArray(json)) {
        add(path, "Write a list, in brackets.");
        return;
      }
      json.forEach((entry, i) => {
        single(kind, field.message, entry, entryPath(path, i), depth);
      });
    } else if (field.fieldKind === "map") {
      if (!isObject(json)) {
        add(path, "Write an object, in braces, with an entry for each key.");
        return;
      }
      for (const [key, entry] of Object.entries(json)) {
        const at = entryPath(path, key);
        const wrong = keyProblem(field.mapKey, key);
        if (wrong !== undefined) add(at, wrong);
        single(kind, field.message, entry, at, depth);
      }
    } else single(kind, field.message, json, path, depth);
  };

  const single = (
    kind: Kind,
    desc: DescMessage | undefined,
    json: Json,
    path: string,
    depth: number,
  ): void => {
    const wrong = kind.is === "message" ? undefined : valueProblem(kind, desc, json, registry);
    if (wrong !== undefined) add(path, wrong);
    else if (kind.is === "message") message(kind.desc, json, path, depth + 1);
  };

  // A method may take a well-known type by itself: its JSON is no object.
  const scalar = wrapperScalar(desc);
  if (scalar !== undefined) {
    const wrong = scalarProblem(scalar, value);
    if (wrong !== undefined) add("", wrong);
  } else if (isKnown(desc)) {
    const wrong = knownProblem(desc, value, registry, "");
    if (wrong !== undefined) add("", wrong);
  } else message(desc, value, "", 0);
  return problems;
}

const known = new Set(
  ["Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any"].map(
    (name) => `google.protobuf.${name}`,
  ),
);

function isKnown(desc: DescMessage): boolean {
  return known.has(desc.typeName);
}

function valueProblem(
  kind: Kind,
  desc: DescMessage | undefined,
  json: Json,
  registry: Registry,
): string | undefined {
  switch (kind.is) {
    case "text":
      return scalarProblem(ScalarType.STRING, json);
    case "bytes":
      return scalarProblem(ScalarType.BYTES, json);
    case "bool":
      return scalarProblem(ScalarType.BOOL, json);
    case "number":
      return scalarProblem(kind.scalar, json);
    case "enum":
      return enumProblem(kind.desc, json);
    default:
      return desc && knownProblem(desc, json, registry, "example" in kind ? kind.example : "");
  }
}

function enumProblem(desc: Extract<Kind, { is: "enum" }>["desc"], json: Json): string | undefined {
  if (desc.typeName === "google.protobuf.NullValue") return undefined;
  if (typeof json === "number" && Number.isInteger(json) && json >= -(2 ** 31) && json < 2 ** 31) {
    if (desc.open || desc.values.some(({ number }) => number === json)) return undefined;
  } else if (desc.values.some(({ name }) => name === json)) return undefined;
  const names = desc.values.slice(0, 8).map(({ name }) => name);
  const more = desc.values.length > names.length ? ", …" : "";
  return `${desc.name} has no value ${JSON.stringify(json)}; it has ${names.join(", ")}${more}.`;
}

function knownProblem(
  desc: DescMessage,
  json: Json,
  registry: Registry,
  example: string,
): string | undefined {
  try {
    fromJson(desc, json, { registry });
    return undefined;
  } catch (thrown) {
    const how = example === "" ? "" : ` Write it as ${example}.`;
    if (desc.typeName !== "google.protobuf.Any") return `This is no ${desc.name}.${how}`;
    return `This is no Any (${(thrown instanceof Error ? thrown.message : String(thrown)).replace(/^cannot decode message google\.protobuf\.Any from JSON: /, "")}).${how}`;
  }
}

function keyProblem(scalar: ScalarType, key: string): string | undefined {
  // protobuf-es keeps maps in plain objects, where this key is not one.
  if (key === "__proto__") return 'A page cannot send the key "__proto__"; use `rouse call`.';
  if (scalar === ScalarType.STRING) return scalarProblem(scalar, key);
  if (scalar === ScalarType.BOOL)
    return key === "true" || key === "false" ? undefined : `The key "${key}" is not true or false.`;
  const wrong = scalarProblem(scalar, key);
  return wrong === undefined ? undefined : `The key is wrong: ${wrong}`;
}

function takesNull(field: DescField): boolean {
  return (
    field.fieldKind !== "list" &&
    field.fieldKind !== "map" &&
    (field.message?.typeName === "google.protobuf.Value" ||
      field.enum?.typeName === "google.protobuf.NullValue")
  );
}

function isSet(field: DescField, json: JsonObject): boolean {
  for (const key of [field.jsonName, field.name]) {
    if (Object.hasOwn(json, key) && (json[key] !== null || takesNull(field))) return true;
  }
  return false;
}

function isExtension(key: string, registry: Registry): boolean {
  return /^\[.+\]$/.test(key) && registry.getExtension(key.slice(1, -1)) !== undefined;
}

function noSuchField(desc: DescMessage, key: string): string {
  const names = desc.fields.slice(0, 8).map(({ jsonName }) => jsonName);
  const more = desc.fields.length > names.length ? ", …" : "";
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  return names.length === 0
    ? `${desc.typeName} has no fields, so none called "${shown}".`
    : `${desc.typeName} has no field "${shown}"; it has ${names.join(", ")}${more}.`;
}
