import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { MessageSchemas } from "../json/schema.ts";

/** How deep the fields of messages in messages are offered. */
const DEEPEST = 3;

/** Query parameters for the fields that neither path nor body have: those that a URL can say. */
export function queryParameters(
  message: DescMessage,
  bound: ReadonlySet<string>,
  schemas: MessageSchemas,
): object[] {
  const out: object[] = [];
  const visit = (at: DescMessage, prefix: string, within: readonly DescMessage[]) => {
    for (const field of at.fields) {
      const path = `${prefix}${field.name}`;
      if (bound.has(path)) continue;
      if (isPlain(field)) {
        const { description, ...schema } = schemas.field(field);
        const name = `${prefix}${field.jsonName}`;
        out.push({ name, in: "query", schema, ...(description !== undefined && { description }) });
      } else if (
        field.fieldKind === "message" &&
        within.length < DEEPEST &&
        !within.includes(field.message)
      ) {
        visit(field.message, `${path}.`, [...within, field.message]);
      }
    }
  };
  visit(message, "", [message]);
  return out;
}

const strings = new Set(["Timestamp", "Duration", "FieldMask"].map((name) => `google.protobuf.${name}`));

function isPlain(field: DescField): boolean {
  if (field.fieldKind === "list") return field.listKind !== "message";
  if (field.fieldKind === "message") {
    const { typeName } = field.message;
    return strings.has(typeName) || /^google\.protobuf\.(?!Null|List)\w+Value$/.test(typeName);
  }
  return field.fieldKind !== "map";
}
