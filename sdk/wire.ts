/* rouse/wire: what generated messages need, so that a service depends on "rouse" alone. Runs in browsers. */
export { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/** Sets an entry of a map field; the key "__proto__" is a key like any other. */
export function setEntry(map: object, key: string | number, value: unknown): void {
  if (key !== "__proto__") (map as Record<string | number, unknown>)[key] = value;
  else Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}
