import { RouseError } from "rouse/errors";
import type { Word } from "../gen/analysis/v1/analysis.ts";

const letters = "ACGT";

/** Counts of all words of one length, addressed by 2 bits a letter. */
type Counts = Float64Array;

/**
 * Counts the words of one length on both strands, and how often each would be there by chance: from the words within it that are
 * one letter shorter, N(w₁…wₖ₋₁) · N(w₂…wₖ) / N(w₂…wₖ₋₁), a Markov chain of the highest order (Phillips, Arnold, Ivarie,
 * Nucleic Acids Res. 15 (1987) 2611–2626). In phages and bacteria words that enzymes cut at are rare by this measure.
 *
 * @param residues in either case; other letters than A, C, G and T break a word.
 * @returns all words, by alphabet; ratio 0 where the word is not expected at all.
 * @throws RouseError INVALID_ARGUMENT WORD_LENGTH_INVALID.
 */
export function countWords(residues: string, length: number): Word[] {
  if (!(length >= 3 && length <= 8))
    throw new RouseError("INVALID_ARGUMENT", `length is ${length}; count words of 3 to 8 letters.`, {
      reason: "WORD_LENGTH_INVALID",
    });
  const counts = onBothStrands(residues, length);
  const shorter = onBothStrands(residues, length - 1);
  const inner = onBothStrands(residues, length - 2);
  return Array.from({ length: 4 ** length }, (_, word) => {
    const within = inner[(word >>> 2) & (4 ** (length - 2) - 1)] ?? 0;
    const left = shorter[word >>> 2] ?? 0;
    const right = shorter[word & (4 ** (length - 1) - 1)] ?? 0;
    const count = counts[word] ?? 0;
    const expected = within === 0 ? 0 : (left * right) / within;
    return {
      word: spell(word, length),
      count: BigInt(count),
      expected,
      ratio: expected === 0 ? 0 : count / expected,
    };
  });
}

/** The words that stand out: the rarest and the commonest against what was expected, of those that chance would bring often enough. */
export function standingOut(words: readonly Word[], most = 5): { rarest: Word[]; commonest: Word[] } {
  // Below this, chance alone makes large ratios.
  const often = words.filter(({ expected }) => expected >= 20).sort((a, b) => a.ratio - b.ratio);
  return { rarest: often.slice(0, most), commonest: often.slice(-most).reverse() };
}

/** The table that the job puts out. */
export function wordsCsv(words: readonly Word[]): string {
  const rows = words.map(
    ({ word, count, expected, ratio }) => `${word},${count},${expected.toFixed(2)},${ratio.toFixed(4)}`,
  );
  return `${["word,count,expected,ratio", ...rows].join("\n")}\n`;
}

function onBothStrands(residues: string, length: number): Counts {
  const counts = new Float64Array(4 ** length);
  const mask = counts.length - 1;
  let word = 0;
  /** The same on the other strand. */
  let other = 0;
  let run = 0;
  for (let i = 0; i < residues.length; i++) {
    const code = codeOf(residues.charCodeAt(i) & 0xdf);
    run = code < 0 ? 0 : run + 1;
    word = ((word << 2) | (code & 3)) & mask;
    other = (other >>> 2) | ((3 - (code & 3)) << (2 * (length - 1)));
    if (run < length) continue;
    counts[word] = (counts[word] ?? 0) + 1;
    counts[other] = (counts[other] ?? 0) + 1;
  }
  return counts;
}

function codeOf(letter: number): number {
  return letter === 65 ? 0 : letter === 67 ? 1 : letter === 71 ? 2 : letter === 84 ? 3 : -1;
}

function spell(word: number, length: number): string {
  return Array.from({ length }, (_, i) => letters[(word >>> (2 * (length - 1 - i))) & 3]).join("");
}
