import type { GenomeServiceClient } from "@rouse-examples/genome/client";
import { RouseError } from "rouse/errors";
import type { Region } from "../gen/composition/v1/composition.ts";

/** The bases of a region, fetched piece by piece as they are read from left to right. */
export interface Bases {
  readonly start: number;
  readonly end: number;
  /** Bases from `start` to `end`, both included; at most `longestPiece`. */
  slice(start: number, end: number): Promise<string>;
}

/** What the genome service gives at a time. */
const longestPiece = 1_000_000;

/**
 * Opens a region of any length, and holds a million bases of it at a time.
 *
 * @throws RouseError what the genome service says of the region: NOT_FOUND, OUT_OF_RANGE, INVALID_ARGUMENT.
 */
export async function basesOf(
  genome: GenomeServiceClient,
  region: Region | undefined,
  signal: AbortSignal,
): Promise<Bases> {
  const reference = region?.reference ?? "";
  const start = region?.start || 1;
  const end = region?.end || (await lengthOf(genome, reference, signal));
  let piece = { start: 0, end: -1, residues: "" };
  const fetch = async (from: number, to: number) => {
    const request = { region: { reference, start: from, end: to }, reverseComplement: false };
    const { residues } = await genome.getSequence(request, { signal });
    return { start: from, end: to, residues };
  };
  // A first piece even if nothing is read, so that a wrong region fails here. A wrong order is the service's to explain.
  piece = await fetch(start, start > end ? end : Math.min(end, start + longestPiece - 1));
  return {
    start,
    end,
    async slice(from, to) {
      if (from < piece.start || to > piece.end)
        piece = await fetch(from, Math.min(end, from + longestPiece - 1));
      return piece.residues.slice(from - piece.start, to - piece.start + 1);
    },
  };
}

/** Bases of a reference; 0: there is none of that name, as the genome service will say when it is asked for bases. */
async function lengthOf(genome: GenomeServiceClient, name: string, signal: AbortSignal): Promise<number> {
  let pageToken = "";
  do {
    const page = await genome.listReferences({ pageSize: 10_000, pageToken }, { signal });
    const found = page.references.find((reference) => reference.name === name);
    if (found !== undefined) return found.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  await genome.getSequence(
    { region: { reference: name, start: 0, end: 0 }, reverseComplement: false },
    { signal },
  );
  throw new RouseError("NOT_FOUND", `The genome service does not list the reference "${name}".`, {
    reason: "REFERENCE_UNKNOWN",
  });
}
