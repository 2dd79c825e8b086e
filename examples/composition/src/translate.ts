/** NCBI's translation table 11 (bacteria, phages), codons in the order TCAG. */
const aminoAcids = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";
const order = "TCAG";

/** The three letters from `i`. */
export function codonOf(bases: string, i: number): string {
  return bases.slice(i, i + 3);
}

/**
 * Translates a reading frame; whatever its start codon, the first amino acid is M. Codons with other letters than A,
 * C, G and T are X.
 *
 * @param bases in upper case.
 */
export function translate(bases: string): string {
  let protein = bases.length >= 3 ? "M" : "";
  for (let i = 3; i + 3 <= bases.length; i += 3) {
    const [a = -1, b = -1, c = -1] = [...codonOf(bases, i)].map((letter) => order.indexOf(letter));
    protein += a < 0 || b < 0 || c < 0 ? "X" : (aminoAcids[16 * a + 4 * b + c] ?? "X");
  }
  return protein;
}
