/** The comments before and after something of a contract as one text, without the space after the slashes; empty: none. */
export function commentText(...comments: readonly (string | undefined)[]): string {
  return comments
    .map((text) => trim(text ?? ""))
    .filter((text) => text !== "")
    .join("\n\n");
}

function trim(text: string): string {
  return text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => (line.startsWith(" ") ? line.slice(1) : line).trimEnd())
    .join("\n")
    .trim();
}
