import { posix } from "node:path";
import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";

/** Address of the docs of a type as seen from the docs of a file; undefined for types whose docs are not written. */
export function docsLink(
  target: DescMessage | DescEnum,
  from: DescFile,
  extension: "md" | "html",
): string | undefined {
  const anchor = `#${target.typeName}`;
  if (target.file.name === from.name) return anchor;
  if (/^(google|rouse\/mesh)\//.test(target.file.name)) return undefined;
  const path = posix.relative(posix.dirname(from.name), target.file.name);
  return `${path}.${extension}${anchor}`;
}
