import type { FileHandle } from "node:fs/promises";
import { indexGff3 } from "./gff3-index.ts";
import { type GenomeFeature, parseFeatureLine } from "./gff3-line.ts";
import { openText } from "./open-text.ts";
import type { Region } from "./region.ts";

/** An open GFF3 file. */
export interface Gff3 {
  /** The references that have features, and where the last one of them ends. */
  readonly references: ReadonlyMap<string, { readonly last: number }>;
  /** All types, in the order of the file. */
  readonly types: readonly string[];
  /** The features that overlap a region, by their start; of these types only, if any are given. */
  overlapping(region: Region, types?: readonly string[]): AsyncGenerator<GenomeFeature>;
  /** The features with this Name or ID, in the order of the file. */
  named(name: string): AsyncGenerator<GenomeFeature>;
  close(): Promise<void>;
}

/**
 * Opens a GFF3 file: checks all of it and keeps an index in memory, about 60 bytes for each feature.
 *
 * @throws RouseError FILE_UNREADABLE, FILE_COMPRESSED, GFF3_INVALID, LINE_TOO_LONG.
 */
export async function openGff3(path: string): Promise<Gff3> {
  const file = await openText(path, "GFF3", "GENOME_GFF3");
  try {
    const index = await indexGff3(file, path);
    const featureAt = (record: number, read: ReturnType<typeof reader>) =>
      read(index.offsets[record] ?? 0, index.lengths[record] ?? 0).then((text) =>
        parseFeatureLine(text, `${path}:${index.lines[record]}`),
      );
    return {
      references: index.byReference,
      types: [...index.typeNumbers.keys()],
      async *overlapping(region, types = []) {
        const numbers = new Set(types.map((type) => index.typeNumbers.get(type)));
        const reference = index.byReference.get(region.reference);
        if (reference === undefined) return;
        const read = reader(file);
        for (const i of reference.intervals.overlapping(region.start, region.end)) {
          const record = reference.records[i] ?? 0;
          if (numbers.size > 0 && !numbers.has(index.types[record])) continue;
          yield await featureAt(record, read);
        }
      },
      async *named(name) {
        const read = reader(file);
        for (const record of index.byName.candidates(name)) {
          const feature = await featureAt(record, read);
          if ([feature.attributes.ID, feature.attributes.Name].some((names) => names?.includes(name)))
            yield feature;
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const windowBytes = 64 * 1024;

/** Reads pieces of a file through a window: the lines of neighbours are mostly neighbours in the file. */
function reader(file: FileHandle): (offset: number, length: number) => Promise<string> {
  let window = Buffer.alloc(0);
  let from = 0;
  return async (offset, length) => {
    if (offset < from || offset + length > from + window.length) {
      const size = Math.max(length, windowBytes);
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(size), 0, size, offset);
      window = buffer.subarray(0, bytesRead);
      from = offset;
    }
    return window.toString("utf8", offset - from, offset - from + length);
  };
}
