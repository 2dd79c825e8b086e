/** How the site shows content. */
export type Kind = "image" | "json" | "table" | "markdown" | "text" | "bytes";

const images = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml"]);

const ofEndings: Readonly<Record<string, readonly [Kind, string]>> = {
  png: ["image", "image/png"],
  jpg: ["image", "image/jpeg"],
  jpeg: ["image", "image/jpeg"],
  gif: ["image", "image/gif"],
  webp: ["image", "image/webp"],
  svg: ["image", "image/svg+xml"],
  json: ["json", "application/json"],
  csv: ["table", "text/csv"],
  tsv: ["table", "text/tab-separated-values"],
  bed: ["table", "text/tab-separated-values"],
  md: ["markdown", "text/markdown"],
};

/** Most that the page reads to show it, bytes. An image is the browser's to read. */
export const mostShown: Readonly<Record<Kind, number>> = {
  image: 0,
  json: 4 * 2 ** 20,
  table: 2 * 2 ** 20,
  markdown: 2 ** 20,
  text: 512 * 2 ** 10,
  bytes: 4 * 2 ** 10,
};

/**
 * How to show an artifact, by its media type, or else by the ending of its name; content that is neither is looked at.
 *
 * @param head its first bytes.
 * @returns the kind, and the media type that browsers shall take it for.
 */
export function kindOf(
  { mediaType, name }: { readonly mediaType: string; readonly name: string },
  head: Uint8Array,
): readonly [Kind, string] {
  const type = mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (images.has(type)) return ["image", type];
  if (type === "application/json" || type.endsWith("+json")) return ["json", type];
  if (type === "text/csv" || type === "text/tab-separated-values") return ["table", type];
  if (type === "text/markdown") return ["markdown", type];
  const known = ofEndings[/\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? ""];
  if (known !== undefined && (type === "" || type === "application/octet-stream" || type === "text/plain"))
    return known[0] === "image" && type === "text/plain" ? ["text", type] : known;
  if (type.startsWith("text/")) return ["text", type];
  return [isText(head) ? "text" : "bytes", type || "application/octet-stream"];
}

/** True for UTF-8 without control characters; what is cut off at the end does not matter. */
function isText(head: Uint8Array): boolean {
  if (head.length === 0) return true;
  if (head.some((byte) => byte < 32 && byte !== 9 && byte !== 10 && byte !== 13)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
