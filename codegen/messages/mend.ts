import { isReservedType } from "../names.ts";

/** Puts right what ts-proto 2.18 writes, in one generated file. */
export function mend(code: string): string {
  return importWire(
    code
      // A FieldMask in a oneof is typed as maybe undefined, and passed on as if it were not.
      .replace(/FieldMask\.wrap\((message\.\w+\.value)\)/g, "FieldMask.wrap($1 ?? [])")
      // enum { delete = 0; } makes "export type delete", which no parser takes.
      .replace(/^ {2}export type (\w+) = typeof \w+\.\1;\n/gm, (line, name: string) =>
        isReservedType(name) ? "" : line,
      )
      .replace(/^( {2}fromPartial\(object: .*\{\n)([\s\S]*?^ {2}\},\n)/gm, ownFieldsOnly)
      // A map's key "__proto__" would change the prototype of the map, and be lost.
      .replace(
        /\b(message\.\w+)\[(entry\d+\.key)\] = (entry\d+\.value(?: \?\? \w+)?);$/gm,
        "setEntry($1, $2, $3);",
      )
      .replace(/\bacc\[key\] = (.*);$/gm, "setEntry(acc, key, $1);"),
  );
}

/** The wire format comes from Rouse's own copy, so that a service needs no further dependency. */
function importWire(code: string): string {
  const names = code.includes("setEntry(") ? ", setEntry }" : " }";
  return code.replace(/ \} from "@bufbuild\/protobuf\/wire"/, `${names} from "rouse/wire"`);
}

/** Fields that every object seems to have. */
const inherited = Object.getOwnPropertyNames(Object.prototype).filter((name) => /^[a-z]\w+$/i.test(name));
const readsInherited = new RegExp(`\\bobject\\.(${inherited.join("|")})\\b`);

/** A field "constructor" that is not given would be taken from Object.prototype. */
function ownFieldsOnly(whole: string, head: string, body: string): string {
  if (!readsInherited.test(body)) return whole;
  return `${head}    object = globalThis.Object.assign(globalThis.Object.create(null), object);\n${body}`;
}
