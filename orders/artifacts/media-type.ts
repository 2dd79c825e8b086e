/** Media types by the end of a name: what people look at in a browser, and what bioinformaticians keep, which is text. */
const TYPES: Readonly<Record<string, string>> = {
  csv: "text/csv",
  gif: "image/gif",
  htm: "text/html",
  html: "text/html",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  json: "application/json",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  tsv: "text/tab-separated-values",
  webp: "image/webp",
  xml: "application/xml",
};
const TEXTS = new Set(
  "bed fa fai faa fasta fastq ffn fna fq gb gff gff3 gtf log md nwk sam txt vcf wig yaml yml".split(" "),
);

/** The media type of a file of this name; empty: it cannot be told. */
export function mediaTypeOf(name: string): string {
  const end = /\.([A-Za-z0-9]{1,8})$/.exec(name)?.[1]?.toLowerCase() ?? "";
  return (Object.hasOwn(TYPES, end) ? TYPES[end] : undefined) ?? (TEXTS.has(end) ? "text/plain" : "");
}
