import type { FileHandle } from "node:fs/promises";
import { RouseError } from "rouse/errors";
import { checkFeatureLine, namesIn } from "./gff3-line.ts";
import { growing } from "./growing.ts";
import { type IntervalIndex, indexIntervals } from "./interval-index.ts";
import { linesOf } from "./lines.ts";
import { buildNameIndex, type NameIndex } from "./name-index.ts";
import { sortedPairs } from "./sorted-pairs.ts";

/** Where the features of a GFF3 file are: about 60 bytes for each. The text stays in the file. */
export interface Gff3Index {
  /** Byte offset and length of each feature line, by record, in the order of the file. */
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  /** Line numbers, for messages. */
  readonly lines: Uint32Array;
  /** Number of the type of each record. */
  readonly types: Uint32Array;
  /** Numbers by the name of a type. */
  readonly typeNumbers: ReadonlyMap<string, number>;
  readonly byName: NameIndex;
  /** By reference. `records` are sorted by the start of their features. */
  readonly byReference: ReadonlyMap<string, { records: Uint32Array; intervals: IntervalIndex; last: number }>;
}

const longestLine = 2 ** 20;

/**
 * Checks every line of a GFF3 file and indexes its features. Stops at a ##FASTA directive.
 *
 * @throws RouseError INVALID_ARGUMENT GFF3_INVALID with path, line and remedy; LINE_TOO_LONG.
 */
export async function indexGff3(file: FileHandle, path: string): Promise<Gff3Index> {
  const offsets = growing((length) => new Float64Array(length));
  const lengths = growing((length) => new Uint32Array(length));
  const lines = growing((length) => new Uint32Array(length));
  const types = growing((length) => new Uint32Array(length));
  const starts = growing((length) => new Uint32Array(length));
  const ends = growing((length) => new Uint32Array(length));
  const typeNumbers = new Map<string, number>();
  const names = buildNameIndex();
  const recordsOf = new Map<string, ReturnType<typeof growing<Uint32Array>>>();

  for await (const line of linesOf(file, path, longestLine)) {
    if (line.text.startsWith("##FASTA") || line.text.startsWith(">")) break;
    if (line.number === 1 && !/^##gff-version\s+3/.test(line.text))
      throw new RouseError(
        "INVALID_ARGUMENT",
        `${path}:1: this is no GFF3 file: its first line must be "##gff-version 3". ` +
          'Convert GTF and GFF2 first, for example with "gffread -E in.gtf -o out.gff3".',
        { reason: "GFF3_INVALID" },
      );
    if (line.text.startsWith("#") || line.text.trim() === "") continue;
    const feature = checkFeatureLine(line.text, `${path}:${line.number}`);
    const record = offsets.length;
    offsets.push(line.offset);
    lengths.push(line.bytes);
    lines.push(line.number);
    starts.push(feature.start);
    ends.push(feature.end);
    const type = decodeURIComponent(feature.type);
    if (!typeNumbers.has(type)) typeNumbers.set(type, typeNumbers.size);
    types.push(typeNumbers.get(type) ?? 0);
    for (const name of namesIn(feature.attributes)) names.add(name, record);
    const reference = decodeURIComponent(feature.reference);
    let records = recordsOf.get(reference);
    if (records === undefined) {
      records = growing((length) => new Uint32Array(length));
      recordsOf.set(reference, records);
    }
    records.push(record);
  }

  const byReference = new Map<string, { records: Uint32Array; intervals: IntervalIndex; last: number }>();
  const start = starts.values();
  const end = ends.values();
  for (const [reference, unsorted] of recordsOf) {
    const own = unsorted.values();
    const pairs = sortedPairs(own.length, (i) => [start[own[i] ?? 0] ?? 0, own[i] ?? 0]);
    const records = new Uint32Array(own.length).map((_, i) => pairs.second(i));
    const sortedEnds = records.map((record) => end[record] ?? 0);
    const intervals = indexIntervals(
      records.map((record) => start[record] ?? 0),
      sortedEnds,
    );
    byReference.set(reference, {
      records,
      intervals,
      last: sortedEnds.reduce((a, b) => Math.max(a, b), 0),
    });
  }
  return {
    offsets: offsets.values().slice(),
    lengths: lengths.values().slice(),
    lines: lines.values().slice(),
    types: types.values().slice(),
    typeNumbers,
    byName: names.build(),
    byReference,
  };
}
