import { type FileHandle, readFile, stat } from "node:fs/promises";
import { RouseError } from "rouse/errors";
import type { IndexedReference } from "./fasta-index.ts";

/**
 * Reads the index that `samtools faidx` left beside a FASTA file, so that a large file need not be read at each start.
 *
 * @returns undefined when there is none, or when it is older than the file.
 * @throws RouseError INVALID_ARGUMENT FAI_INVALID when it does not fit the file.
 */
export async function readFai(file: FileHandle, path: string): Promise<IndexedReference[] | undefined> {
  const faiPath = `${path}.fai`;
  const fai = await stat(faiPath).catch(() => undefined);
  const fasta = await file.stat();
  if (fai === undefined || fai.mtimeMs < fasta.mtimeMs) return undefined;
  const lines = (await readFile(faiPath, "utf8")).split(/\r?\n/).filter((line) => line !== "");
  const references: IndexedReference[] = [];
  const names = new Set<string>();
  for (const [i, line] of lines.entries()) {
    const stale = (what: string) =>
      new RouseError(
        "INVALID_ARGUMENT",
        `${faiPath}:${i + 1}: ${what}. Remove the index, or make it anew with "samtools faidx ${path}".`,
        { reason: "FAI_INVALID" },
      );
    const [name = "", ...columns] = line.split("\t");
    const [length = -1, offset = -1, lineBases = 0, lineBytes = 0] = columns.map((column) =>
      /^\d+$/.test(column) ? Number(column) : -1,
    );
    if (
      name === "" ||
      columns.length !== 4 ||
      length < 1 ||
      offset < 2 ||
      lineBases < 1 ||
      lineBytes < lineBases
    )
      throw stale("this is no line of a .fai file");
    if (names.has(name)) throw stale(`"${name}" is there twice`);
    names.add(name);
    const last = offset + Math.floor((length - 1) / lineBases) * lineBytes + ((length - 1) % lineBases);
    const description = await headerBefore(file, offset, name);
    if (description === undefined || last >= fasta.size)
      throw stale(`the index says that "${name}" begins at byte ${offset}, and the file disagrees`);
    references.push({ name, description, length, offset, lineBases, lineBytes });
  }
  return references.length === 0 ? undefined : references;
}

const longestHeader = 64 * 1024;

/** The description in the header line that ends right before an offset; undefined: no header of that name is there. */
async function headerBefore(file: FileHandle, offset: number, name: string): Promise<string | undefined> {
  for (let size = 512; ; size *= 8) {
    const from = Math.max(0, offset - size);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(offset - from), 0, offset - from, from);
    const text = buffer.toString("utf8", 0, bytesRead);
    const begin = text.lastIndexOf("\n", text.length - 2);
    if (begin < 0 && from > 0 && size < longestHeader) continue;
    const [, found, description] = /^>(\S*)[ \t]*(.*?)\r?\n$/.exec(text.slice(begin + 1)) ?? [];
    return found === name ? (description ?? "") : undefined;
  }
}
