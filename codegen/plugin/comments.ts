import type { AnyDesc, DescFile } from "@bufbuild/protobuf";
import { getComments, getPackageComments, getSyntaxComments } from "@bufbuild/protoplugin";
import { commentText } from "./comment-text.ts";

/** The comment that belongs to something of a contract, without the space after the slashes; empty: none. */
export function commentOf(desc: Exclude<AnyDesc, DescFile>): string {
  const { leading, trailing } = getComments(desc);
  return commentText(leading, trailing);
}

/** The comment on a file: above its syntax or its package. */
export function commentOfFile(file: DescFile): string {
  const syntax = getSyntaxComments(file);
  return commentText(...syntax.leadingDetached, syntax.leading, getPackageComments(file).leading);
}
