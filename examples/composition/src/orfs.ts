import { codonOf, translate } from "./translate.ts";

/** An open reading frame by its place on the forward strand, from 1, both ends included, with the stop codon. */
export interface Frame {
  readonly start: number;
  readonly end: number;
  readonly reverse: boolean;
  readonly protein: string;
}

const starts = new Set(["ATG", "GTG", "TTG"]);
const stops = new Set(["TAA", "TAG", "TGA"]);

/**
 * The longest reading frame before each stop codon, in all six frames.
 *
 * @param bases in upper case.
 * @param first position of the first base.
 * @param least amino acids, the stop not counted.
 * @returns by start, then end.
 */
export function findOrfs(bases: string, first: number, least: number): Frame[] {
  const last = first + bases.length - 1;
  const forward = framesOf(bases, least).map(({ from, to, protein }) => ({
    start: first + from,
    end: first + to,
    reverse: false,
    protein,
  }));
  const reverse = framesOf(complement(bases), least).map(({ from, to, protein }) => ({
    start: last - to,
    end: last - from,
    reverse: true,
    protein,
  }));
  return [...forward, ...reverse].sort((a, b) => a.start - b.start || a.end - b.end);
}

function framesOf(bases: string, least: number): { from: number; to: number; protein: string }[] {
  const found: { from: number; to: number; protein: string }[] = [];
  for (let frame = 0; frame < 3; frame++) {
    let open: number | undefined;
    for (let i = frame; i + 3 <= bases.length; i += 3) {
      const codon = codonOf(bases, i);
      if (open === undefined && starts.has(codon)) open = i;
      if (!stops.has(codon)) continue;
      if (open !== undefined && (i - open) / 3 >= least)
        found.push({ from: open, to: i + 2, protein: translate(bases.slice(open, i)) });
      open = undefined;
    }
  }
  return found;
}

const pairs: Record<string, string> = { A: "T", C: "G", G: "C", T: "A" };

function complement(bases: string): string {
  let other = "";
  for (let i = bases.length - 1; i >= 0; i--) other += pairs[bases[i] ?? ""] ?? "N";
  return other;
}
