import { type DescExtension, type DescField, ScalarType } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Label } from "@bufbuild/protobuf/wkt";
import { typeOf } from "./reachable.ts";

/** How a type is called; by default by its full name. */
type NameType = (typeName: string) => string;

/** Type of a field as a contract says it: "string", "repeated genome.v1.Feature", "map<string, int32>". */
export function fieldType(field: DescField | DescExtension, nameType: NameType = (name) => name): string {
  const type = typeOf(field);
  const name = type === undefined ? scalarName(field) : nameType(type.typeName);
  if (field.fieldKind === "map") return `map<${ScalarType[field.mapKey].toLowerCase()}, ${name}>`;
  if (field.fieldKind === "list") return `repeated ${name}`;
  if (field.proto.proto3Optional) return `optional ${name}`;
  return field.proto.label === FieldDescriptorProto_Label.REQUIRED ? `required ${name}` : name;
}

/** A field as a contract says it, such as "repeated string names = 2 [json_name = "n"]". */
export function fieldText(field: DescField | DescExtension, nameType?: NameType): string {
  const options: string[] = [];
  const { proto } = field;
  if (proto.defaultValue !== "") options.push(`default = ${JSON.stringify(proto.defaultValue)}`);
  if (field.kind === "field" && proto.jsonName !== "" && proto.jsonName !== camelCase(proto.name))
    options.push(`json_name = ${JSON.stringify(proto.jsonName)}`);
  if (field.deprecated) options.push("deprecated = true");
  const end = options.length > 0 ? ` [${options.join(", ")}]` : "";
  return `${fieldType(field, nameType)} ${field.name} = ${field.number}${end}`;
}

function scalarName(field: DescField | DescExtension): string {
  return field.scalar === undefined ? "" : ScalarType[field.scalar].toLowerCase();
}

/** As protoc derives JSON names. */
function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()).replaceAll("_", "");
}
