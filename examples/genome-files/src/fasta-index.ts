import type { FileHandle } from "node:fs/promises";
import { RouseError } from "rouse/errors";
import { type Fragment, fragmentsOf } from "./lines.ts";

/** A sequence of a FASTA file. */
export interface Reference {
  /** First word of its header. */
  readonly name: string;
  /** The rest of its header. */
  readonly description: string;
  /** Bases. */
  readonly length: number;
}

/** A reference and where its bases are: a line of a .fai file (http://www.htslib.org/doc/faidx.html). */
export interface IndexedReference extends Reference {
  /** Of its first base in the file, from 0. */
  readonly offset: number;
  /** Bases of each line but the last. */
  readonly lineBases: number;
  /** The same with the line's end. */
  readonly lineBytes: number;
}

type Draft = { -readonly [Key in keyof IndexedReference]: IndexedReference[Key] } & { line: number };

const longestHeader = 64 * 1024;
const CR = 13;

/** By byte: 1 for an IUPAC code of nucleotides, gaps included (NC-IUB 1984), and for the end of a line. */
const allowed = new Uint8Array(256);
for (const code of Buffer.from("ACGTUNRYSWKMBDHVacgtunryswkmbdhv*-\r")) allowed[code] = 1;

/**
 * Indexes a FASTA file in one pass, whatever the length of its lines.
 *
 * @throws RouseError INVALID_ARGUMENT FASTA_INVALID with path, line and remedy.
 */
export async function indexFasta(file: FileHandle, path: string): Promise<IndexedReference[]> {
  const drafts: Draft[] = [];
  const names = new Set<string>();
  let draft: Draft | undefined;
  /** A shorter line was there: it must be the last of its sequence. */
  let ended = false;
  let header: Buffer[] | undefined;
  let lineBytes = 0;
  let lastByte = 0;

  for await (const fragment of fragmentsOf(file)) {
    const fail = (what: string): never => {
      throw invalid(`${path}:${fragment.number}`, what);
    };
    if (lineBytes === 0 && fragment.bytes[0] === 62) header = [];
    lineBytes += fragment.bytes.length;
    lastByte = fragment.bytes.at(-1) ?? lastByte;
    if (header !== undefined) {
      if (lineBytes > longestHeader) fail(`the header is longer than ${longestHeader} bytes`);
      header.push(Buffer.from(fragment.bytes));
      if (!fragment.last) continue;
      checkWhole(path, draft);
      const offset = fragment.offset + fragment.bytes.length + (fragment.newline ? 1 : 0);
      draft = begin(Buffer.concat(header).toString("utf8"), offset, fragment.number, fail);
      if (names.has(draft.name)) fail(`a second sequence is called "${draft.name}"; names must differ`);
      names.add(draft.name);
      drafts.push(draft);
      header = undefined;
      ended = false;
    } else {
      checkBases(fragment, draft, fail);
      if (!fragment.last) continue;
      const bases = lineBytes - (lineBytes > 0 && lastByte === CR ? 1 : 0);
      if (draft !== undefined && bases > 0) {
        if (ended) fail(unequal(draft.name));
        ended = addLine(draft, bases, lineBytes + (fragment.newline ? 1 : 0), fail);
      } else ended = draft !== undefined;
    }
    lineBytes = 0;
    lastByte = 0;
  }
  checkWhole(path, draft);
  if (drafts.length === 0) throw invalid(path, "the file has no sequence; a FASTA file begins with a > line");
  return drafts;
}

function begin(text: string, offset: number, line: number, fail: (what: string) => never): Draft {
  const [, name = "", description = ""] = /^>(\S*)\s*(.*?)\s*$/.exec(text) ?? [];
  if (name === "") fail("a sequence has no name; write it right after the >");
  return { name, description, length: 0, offset, lineBases: 0, lineBytes: 0, line };
}

function checkBases({ bytes }: Fragment, draft: Draft | undefined, fail: (what: string) => never): void {
  for (let i = 0; i < bytes.length; i++) {
    if (allowed[bytes[i] ?? 0] === 1) continue;
    const letter = JSON.stringify(bytes.toString("utf8", i, i + 4).at(0));
    if (draft === undefined) fail('this is no FASTA file: it must begin with a header such as ">chr1"');
    fail(`${letter} is no nucleotide; a sequence has IUPAC letters (A, C, G, T, N, …) and nothing else`);
  }
  if (draft === undefined && bytes.length > 0 && bytes[0] !== CR)
    fail('bases come before the first header; begin the file with a line such as ">chr1"');
}

/** @returns whether this must have been the last line of its sequence. */
function addLine(draft: Draft, bases: number, bytes: number, fail: (what: string) => never): boolean {
  if (draft.lineBases === 0) {
    draft.lineBases = bases;
    draft.lineBytes = bytes;
  }
  if (bases > draft.lineBases || bytes > draft.lineBytes) fail(unequal(draft.name));
  draft.length += bases;
  return bases < draft.lineBases || bytes < draft.lineBytes;
}

const unequal = (name: string) =>
  `the lines of "${name}" differ in length, so that regions cannot be found; rewrap the file, ` +
  'for example with "seqkit seq -w 60"';

function checkWhole(path: string, draft: Draft | undefined): void {
  if (draft === undefined) return;
  const where = `${path}:${draft.line}`;
  if (draft.length === 0)
    throw invalid(where, `the sequence "${draft.name}" is empty; add its bases or remove it`);
  if (draft.length > 0xffff_ffff) throw invalid(where, `"${draft.name}" has more than 4,294,967,295 bases`);
}

function invalid(where: string, what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${where}: ${what}.`, { reason: "FASTA_INVALID" });
}
