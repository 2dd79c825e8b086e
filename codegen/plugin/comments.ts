import type { AnyDesc, DescFile } from "@bufbuild/protobuf";
import { getComments, getPackageComments, getSyntaxComments } from "@bufbuild/protoplugin";

/** The comment that belongs to something of a contract, without the space after the slashes; empty: none. */
export function commentOf(desc: Exclude<AnyDesc, DescFile>): string {
  const { leading, trailing } = getComments(desc);
  return [leading, trailing]
    .map((text) => trim(text ?? ""))
    .filter((text) => text !== "")
    .join("\n\n");
}

/** The comment on a file: above its syntax or its package. */
export function commentOfFile(file: DescFile): string {
  const syntax = getSyntaxComments(file);
  const detached = syntax.leadingDetached.map(trim);
  return [...detached, trim(syntax.leading ?? ""), trim(getPackageComments(file).leading ?? "")]
    .filter((text) => text !== "")
    .join("\n\n");
}

function trim(text: string): string {
  return text
    .split("\n")
    .map((line) => (line.startsWith(" ") ? line.slice(1) : line).trimEnd())
    .join("\n")
    .trim();
}
