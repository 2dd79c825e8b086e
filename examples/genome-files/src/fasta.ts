import type { FileHandle } from "node:fs/promises";
import { IndexedFasta } from "@gmod/indexedfasta";
import type { GenericFilehandle } from "generic-filehandle2";
import { readFai } from "./fai.ts";
import { type IndexedReference, indexFasta, type Reference } from "./fasta-index.ts";
import { openText } from "./open-text.ts";

export type { Reference } from "./fasta-index.ts";

/** An open FASTA file. */
export interface Fasta {
  /** By name, in the order of the file. */
  readonly references: ReadonlyMap<string, Reference>;
  /** The bases from `start` to `end`, both included, from 1; the caller has checked the bounds. */
  sequence(reference: string, start: number, end: number): Promise<string>;
  close(): Promise<void>;
}

/**
 * Opens a FASTA file. Its .fai is used when there is one that is not older; else the file is read once and indexed in
 * memory. Bases are read from the file by region.
 *
 * @throws RouseError FILE_UNREADABLE, FILE_COMPRESSED, FASTA_INVALID, FAI_INVALID.
 */
export async function openFasta(path: string): Promise<Fasta> {
  const file = await openText(path, "FASTA", "GENOME_FASTA");
  try {
    const indexed = (await readFai(file, path)) ?? (await indexFasta(file, path));
    const reader = new IndexedFasta({ fasta: ranges(file), fai: faiText(indexed) });
    return {
      references: new Map(indexed.map((reference) => [reference.name, reference])),
      sequence: async (name, start, end) => (await reader.getSequence(name, start - 1, end)) ?? "",
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What IndexedFasta reads sequence from: byte ranges of the open file. */
function ranges(file: FileHandle): GenericFilehandle {
  return {
    ...unused,
    async read(length, position) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, position);
      return bytes.subarray(0, bytesRead);
    },
  };
}

/** What IndexedFasta reads its index from: a .fai file in memory. */
function faiText(references: readonly IndexedReference[]): GenericFilehandle {
  const lines = references.map((r) => [r.name, r.length, r.offset, r.lineBases, r.lineBytes].join("\t"));
  const bytes = new TextEncoder().encode(`${lines.join("\n")}\n`);
  return { ...unused, readFile: (async () => bytes) as unknown as GenericFilehandle["readFile"] };
}

const refuse = (): never => {
  throw new Error("IndexedFasta reads ranges of the sequence and the whole index, and nothing else");
};
const unused: GenericFilehandle = { read: refuse, readFile: refuse, stat: refuse, close: refuse };
