import type { DescEnum, DescExtension, DescField, DescMessage, DescService } from "@bufbuild/protobuf";

/** Messages and enums that a service's methods reach, each after those that use it; without the entries of maps. */
export function reachableTypes(service: DescService): (DescMessage | DescEnum)[] {
  const found = new Set<DescMessage | DescEnum>();
  for (const { input, output } of service.methods) found.add(input).add(output);
  // A set hands out what is added while it is walked.
  for (const type of found) {
    if (type.kind === "enum") continue;
    for (const field of type.fields) {
      const used = typeOf(field);
      if (used !== undefined) found.add(used);
    }
  }
  return [...found];
}

/** The message or enum that a field (its elements, its values) has as type. */
export function typeOf(field: DescField | DescExtension): DescMessage | DescEnum | undefined {
  switch (field.fieldKind) {
    case "message":
      return field.message;
    case "enum":
      return field.enum;
    case "list":
      return field.listKind === "message"
        ? field.message
        : field.listKind === "enum"
          ? field.enum
          : undefined;
    case "map":
      return field.mapKind === "message" ? field.message : field.mapKind === "enum" ? field.enum : undefined;
    default:
      return undefined;
  }
}
