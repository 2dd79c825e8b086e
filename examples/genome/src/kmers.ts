import { RouseError } from "rouse/errors";
import type { KmerCount } from "../gen/genome/v1/genome.ts";

/** Counts k-mers of a sequence that comes in pieces; a k-mer may lie across two pieces. */
export interface KmerCounter {
  readonly k: number;
  /** @param residues in upper case; letters other than A, C, G and T break a k-mer. */
  add(residues: string): void;
  result(): { distinctKmers: number; topKmers: KmerCount[] };
}

const letters = "ACGT";
const longest = 11;
const top = 10;

/**
 * One counter for each of the 4^k k-mers, addressed by 2 bits a letter.
 *
 * @throws RouseError INVALID_ARGUMENT K_INVALID.
 */
export function countKmers(k: number): KmerCounter {
  if (!(k >= 1 && k <= longest))
    throw new RouseError("INVALID_ARGUMENT", `k is ${k}; k-mers of 1 to ${longest} letters can be counted.`, {
      reason: "K_INVALID",
    });
  const counts = new Uint32Array(4 ** k);
  let kmer = 0;
  /** Letters since the last one that is none of the four. */
  let run = 0;
  return {
    k,
    add(residues) {
      for (let i = 0; i < residues.length; i++) {
        const code = codeOf(residues.charCodeAt(i));
        run = code < 0 ? 0 : run + 1;
        kmer = ((kmer << 2) | (code & 3)) & (counts.length - 1);
        if (run >= k) counts[kmer] = (counts[kmer] ?? 0) + 1;
      }
    },
    result() {
      let distinctKmers = 0;
      const best: { kmer: number; count: number }[] = [];
      for (const [kmer, count] of counts.entries()) {
        if (count === 0) continue;
        distinctKmers++;
        if (best.length === top && count <= (best.at(-1)?.count ?? 0)) continue;
        best.push({ kmer, count });
        best.sort((a, b) => b.count - a.count || a.kmer - b.kmer);
        best.length = Math.min(best.length, top);
      }
      const topKmers = best.map(({ kmer, count }) => ({ kmer: spell(kmer, k), count: BigInt(count) }));
      return { distinctKmers, topKmers };
    },
  };
}

function codeOf(letter: number): number {
  return letter === 65 ? 0 : letter === 67 ? 1 : letter === 71 ? 2 : letter === 84 ? 3 : -1;
}

function spell(kmer: number, k: number): string {
  return Array.from({ length: k }, (_, i) => letters[(kmer >>> (2 * (k - 1 - i))) & 3]).join("");
}
