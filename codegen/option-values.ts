import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

const optionsFile = new URL("../proto/rouse/mesh/v1/options.proto", import.meta.url);

/** Of google.protobuf.MethodOptions, which our contracts are full of. */
const IDEMPOTENCY = "NO_SIDE_EFFECTS or IDEMPOTENT";

const plain: Readonly<Record<string, string>> = {
  double: "a number without quotes, such as 0.5",
  uint32: "a whole number from 0 on, without quotes",
  bool: "true or false, without quotes",
};

let known: Map<string, Set<string>> | undefined;

/**
 * What is to be written for a field of Rouse's options, as a clause; undefined when there is no such field, or when it depends on
 * where the field is.
 *
 * @param field Such as "memory".
 * @param written What is written there now.
 */
export function wantedValue(field: string, written: string): string | undefined {
  if (field === "idempotency_level") return `${IDEMPOTENCY}, without quotes`;
  known ??= readOptions();
  const [wanted, ...others] = known.get(field) ?? [];
  if (wanted === undefined || others.length > 0) return undefined;
  if (wanted !== "string") return wanted;
  return `text in quotes, such as ${field}: ${JSON.stringify(written)}`;
}

/** By name of a field, what the messages of the options want there. */
function readOptions(): Map<string, Set<string>> {
  const { root, package: name = "" } = protobuf.parse(readFileSync(optionsFile, "utf8"), { keepCase: true });
  const wanted = new Map<string, Set<string>>();
  for (const type of messagesOf(root.lookup(name) as protobuf.Namespace)) {
    for (const field of type.fieldsArray) {
      const values = wanted.get(field.name) ?? new Set();
      wanted.set(field.name, values.add(clauseOf(type, field)));
    }
  }
  return wanted;
}

function* messagesOf(space: protobuf.NamespaceBase): Generator<protobuf.Type> {
  for (const nested of space.nestedArray) {
    if (!(nested instanceof protobuf.Type)) continue;
    yield nested;
    yield* messagesOf(nested);
  }
}

function clauseOf(type: protobuf.Type, field: protobuf.Field): string {
  if (field.map) return '{key: "…", value: "…"} for each entry';
  if (field.type === "string") return "string";
  const word = plain[field.type];
  if (word !== undefined) return word;
  const found = type.lookup(field.type);
  if (found instanceof protobuf.Enum) {
    const names = Object.keys(found.values).filter((value) => !value.endsWith("_UNSPECIFIED"));
    return `one of ${names.join(", ")}, without quotes`;
  }
  const names = found instanceof protobuf.Type ? found.fieldsArray.map((inner) => inner.name) : [];
  return `settings in braces, of ${names.join(", ")}`;
}
