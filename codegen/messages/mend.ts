import { isReservedType } from "../names.ts";

/** Puts right what ts-proto 2.18 writes, in one generated file. */
export function mend(code: string): string {
  return (
    code
      // The wire format comes from Rouse's own copy, so that a service needs no further dependency.
      .replaceAll('from "@bufbuild/protobuf/wire"', 'from "rouse/wire"')
      // A FieldMask in a oneof is typed as maybe undefined, and passed on as if it were not.
      .replace(/FieldMask\.wrap\((message\.\w+\.value)\)/g, "FieldMask.wrap($1 ?? [])")
      // enum { delete = 0; } makes "export type delete", which no parser takes.
      .replace(/^ {2}export type (\w+) = typeof \w+\.\1;\n/gm, (line, name: string) =>
        isReservedType(name) ? "" : line,
      )
  );
}
