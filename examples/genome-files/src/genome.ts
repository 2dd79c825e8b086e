import { RouseError } from "rouse/errors";
import { type Fasta, openFasta } from "./fasta.ts";
import { type Gff3, openGff3 } from "./gff3.ts";

/** Paths of the two files. */
export interface GenomeFiles {
  readonly fasta: string;
  /** Undefined: a genome without features. */
  readonly gff3: string | undefined;
}

/** An open genome. */
export interface Genome {
  readonly fasta: Fasta;
  readonly gff3: Pick<Gff3, "overlapping" | "named" | "types">;
  close(): Promise<void>;
}

/**
 * Which files to open: those that the environment names, else the shipped ones.
 *
 * @param env GENOME_FASTA and GENOME_GFF3; a FASTA file alone is a genome without features.
 * @throws RouseError INVALID_ARGUMENT FASTA_MISSING when only GENOME_GFF3 is set.
 */
export function filesOf(
  env: Readonly<Record<string, string | undefined>>,
  shipped: () => { fasta: string; gff3: string },
): GenomeFiles {
  const fasta = env.GENOME_FASTA || undefined;
  const gff3 = env.GENOME_GFF3 || undefined;
  if (fasta !== undefined) return { fasta, gff3 };
  if (gff3 === undefined) return shipped();
  throw new RouseError(
    "INVALID_ARGUMENT",
    `GENOME_GFF3 is ${gff3} but GENOME_FASTA is not set; name the sequence that these features belong to.`,
    { reason: "FASTA_MISSING" },
  );
}

/**
 * Opens a genome and checks that its files belong together.
 *
 * @throws RouseError FILE_UNREADABLE, FILE_COMPRESSED, FASTA_INVALID, GFF3_INVALID, LINE_TOO_LONG;
 *   INVALID_ARGUMENT FILES_DO_NOT_MATCH.
 */
export async function openGenome(files: GenomeFiles): Promise<Genome> {
  const fasta = await openFasta(files.fasta);
  try {
    if (files.gff3 === undefined) return { fasta, gff3: noFeatures, close: () => fasta.close() };
    const gff3 = await openGff3(files.gff3);
    try {
      checkMatch(files, fasta, gff3);
    } catch (error) {
      await gff3.close();
      throw error;
    }
    return {
      fasta,
      gff3,
      async close() {
        await Promise.all([fasta.close(), gff3.close()]);
      },
    };
  } catch (error) {
    await fasta.close();
    throw error;
  }
}

const noFeatures: Genome["gff3"] = {
  types: [],
  async *overlapping() {},
  async *named() {},
};

/** A GFF3 file may leave out references, but each that it has must be in the FASTA file and long enough. */
function checkMatch(files: GenomeFiles, fasta: Fasta, gff3: Gff3): void {
  for (const [name, { last }] of gff3.references) {
    const reference = fasta.references.get(name);
    const there = [...fasta.references.keys()].slice(0, 5).join(", ");
    if (reference === undefined)
      throw mismatch(
        `${files.gff3} has features of "${name}", which ${files.fasta} lacks (it has ${there}); ` +
          "use files of the same assembly with the same names",
      );
    if (last > reference.length)
      throw mismatch(
        `${files.gff3} has a feature that ends at ${last} of "${name}", which in ${files.fasta} has ` +
          `${reference.length} bases; use files of the same assembly`,
      );
  }
}

function mismatch(what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${what}.`, { reason: "FILES_DO_NOT_MATCH" });
}
