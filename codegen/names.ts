/*
 * How a name of a contract becomes a name in TypeScript. The messages are written by ts-proto and everything else
 * by our plugin, so both take names from here.
 */

/** Names that no type may have in TypeScript. */
const reservedTypes = new Set(
  (
    "any as async await bigint boolean break case catch class const continue debugger default delete do else enum " +
    "export extends false finally for function if implements import in instanceof interface let never new null " +
    "number object package private protected public return static string super switch symbol this throw true try " +
    "type typeof undefined unknown var void while with yield"
  ).split(" "),
);

/** Globals that generated code uses, and names that ts-proto declares beside the messages of a file. */
const takenTypes = new Set(
  (
    "Array ArrayBuffer AsyncIterable BigInt Boolean Buffer DataView Date Error Function Infinity JSON Map Math NaN Number " +
    "Object Partial Promise Record Reflect RegExp Set String Symbol Uint8Array globalThis " +
    "BinaryReader BinaryWriter Builtin DeepPartial Exact Extension ExtensionFns ExtensionHolder KeysOfUnion Long " +
    "MessageFns StructWrapperFns AnyValueWrapperFns ListValueWrapperFns FieldMaskWrapperFns setEntry"
  ).split(" "),
);

/** Whether a type of that name needs another one in TypeScript. */
export function isTakenType(name: string): boolean {
  return reservedTypes.has(name) || takenTypes.has(name);
}

/** Name of a top-level message or enum: "Map" becomes "MapMessage", others stay. */
export function topTypeName(name: string): string {
  return isTakenType(name) ? `${name}Message` : name;
}

/** Name of a type by the names that lead to it: ["Outer", "Inner"] becomes "Outer_Inner". As in ts-proto. */
export function typeName(path: readonly string[]): string {
  return path.map((part, index) => snakeToCamel(index === 0 ? topTypeName(part) : part)).join("_");
}

/** Name of a property by the name of a field: "start_base" becomes "startBase". As in ts-proto. */
export function snakeToCamel(name: string): string {
  if (!name.includes("_")) return name;
  const keepCase = /[a-z]/.test(name);
  return name
    .split("_")
    .map((word) => (keepCase ? word : word.toLowerCase()))
    .map((word, index) => (index === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1)))
    .join("");
}

/** Name of a function by the name of a method: "GetSequence" becomes "getSequence", "GetDNA" "getDNA", "DNA" "dna". */
export function methodName(name: string): string {
  const camel = snakeToCamel(name);
  if (/^[A-Z0-9]+$/.test(camel)) return camel.toLowerCase();
  return camel.slice(0, 1).toLowerCase() + camel.slice(1);
}

/** A property as it is written in an object or interface: quoted when it's no plain name. */
export function propertyKey(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** Whether an enum value of that name breaks the type that ts-proto declares for it. */
export function isReservedType(name: string): boolean {
  return reservedTypes.has(name);
}
