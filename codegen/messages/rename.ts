import type { DescriptorProto, FieldDescriptorProto, FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { topTypeName } from "../names.ts";

/**
 * Gives top-level messages and enums whose names are taken in TypeScript another one, in place. The wire format does
 * not know names of types, so only the TypeScript is another.
 */
export function renameTypes(files: readonly FileDescriptorProto[]): void {
  const renamed = new Map<string, string>();
  for (const file of files) {
    if (file.name.startsWith("google/protobuf/")) continue;
    for (const type of [...file.messageType, ...file.enumType]) {
      const name = topTypeName(type.name);
      if (name === type.name) continue;
      const scope = file.package === "" ? "." : `.${file.package}.`;
      renamed.set(scope + type.name, scope + name);
      type.name = name;
    }
  }
  for (const file of files) {
    for (const message of file.messageType) renameInMessage(message, renamed);
    for (const extension of file.extension) renameInField(extension, renamed);
    for (const service of file.service) {
      for (const method of service.method) {
        method.inputType = renameReference(method.inputType, renamed);
        method.outputType = renameReference(method.outputType, renamed);
      }
    }
  }
}

function renameInMessage(message: DescriptorProto, renamed: ReadonlyMap<string, string>): void {
  for (const field of [...message.field, ...message.extension]) renameInField(field, renamed);
  for (const nested of message.nestedType) renameInMessage(nested, renamed);
}

/** Touches only what changes: in proto2, to set a field to its empty value is to set it. */
function renameInField(field: FieldDescriptorProto, renamed: ReadonlyMap<string, string>): void {
  const type = renameReference(field.typeName, renamed);
  if (type !== field.typeName) field.typeName = type;
  const extendee = renameReference(field.extendee, renamed);
  if (extendee !== field.extendee) field.extendee = extendee;
  if (field.type !== Type.DOUBLE && field.type !== Type.FLOAT) return;
  // proto2 defaults such as "-inf" are no TypeScript.
  const value = field.defaultValue.replace(/inf$/, "Infinity").replace(/^nan$/, "NaN");
  if (value !== field.defaultValue) field.defaultValue = value;
}

/** ".odd.v1.Map.Inner" by the new name of ".odd.v1.Map". */
function renameReference(name: string, renamed: ReadonlyMap<string, string>): string {
  for (let end = name.length; end > 0; end = name.lastIndexOf(".", end - 1)) {
    const other = renamed.get(name.slice(0, end));
    if (other !== undefined) return other + name.slice(end);
  }
  return name;
}
