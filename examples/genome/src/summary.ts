import { createHash } from "node:crypto";
import { RouseError } from "rouse/errors";
import type { SequenceChunk, SequenceSummary } from "../gen/genome/v1/genome.ts";
import { countKmers, type KmerCounter } from "./kmers.ts";

const codes = /^[ACGTUNRYSWKMBDHV*-]*$/;

/**
 * Composition of a sequence that comes in pieces; holds one piece and 4^k counters (16 MiB for k = 11).
 *
 * @throws RouseError INVALID_ARGUMENT SEQUENCE_INVALID, K_INVALID.
 */
export async function summarize(chunks: AsyncIterable<SequenceChunk>): Promise<SequenceSummary> {
  const md5 = createHash("md5");
  const counts = new Map<string, number>();
  let kmers: KmerCounter | undefined;
  let length = 0;
  for await (const chunk of chunks) {
    kmers ??= countKmers(chunk.k || 8);
    const residues = chunk.residues.replace(/\s+/g, "").toUpperCase();
    if (!codes.test(residues)) throw invalid(residues, length);
    md5.update(residues);
    kmers.add(residues);
    for (let i = 0; i < residues.length; i++) {
      const code = residues[i] ?? "";
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    length += residues.length;
  }
  kmers ??= countKmers(8);
  const [a = 0, c = 0, g = 0, t = 0] = ["A", "C", "G", "T"].map((code) => counts.get(code));
  return {
    length: BigInt(length),
    counts: Object.fromEntries([...counts].sort().map(([code, count]) => [code, BigInt(count)])),
    gc: a + c + g + t === 0 ? 0 : (g + c) / (a + c + g + t),
    md5: md5.digest("hex"),
    k: kmers.k,
    ...kmers.result(),
  };
}

function invalid(residues: string, before: number): RouseError {
  const at = [...residues].findIndex((code) => !codes.test(code));
  return new RouseError(
    "INVALID_ARGUMENT",
    `Letter ${before + at + 1} is ${JSON.stringify([...residues][at])}, which is no nucleotide; ` +
      "send IUPAC letters (A, C, G, T, N, …), without FASTA headers.",
    { reason: "SEQUENCE_INVALID" },
  );
}
