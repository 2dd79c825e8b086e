import { RouseError } from "rouse/errors";
import type { Reference } from "./fasta.ts";

/** Part of a reference; positions count from 1 and include both ends. */
export interface Region {
  readonly reference: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Fills in the ends of a region (0: the end of the reference) and checks it.
 *
 * @param longest most bases that are allowed, if there is a limit.
 * @throws RouseError INVALID_ARGUMENT REGION_INVALID, REGION_TOO_LONG; NOT_FOUND REFERENCE_UNKNOWN;
 *   OUT_OF_RANGE REGION_OUT_OF_BOUNDS.
 */
export function resolveRegion(
  region: Region | undefined,
  references: ReadonlyMap<string, Reference>,
  longest = Number.POSITIVE_INFINITY,
): Region {
  if (region === undefined || region.reference === "")
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The request names no reference; write region: {reference: "${[...references.keys()][0]}"}.`,
      { reason: "REGION_INVALID" },
    );
  const reference = references.get(region.reference);
  if (reference === undefined)
    throw new RouseError(
      "NOT_FOUND",
      `There is no reference "${region.reference}"; there ${listOf([...references.keys()])}.`,
      { reason: "REFERENCE_UNKNOWN" },
    );
  const start = region.start || 1;
  const end = region.end || reference.length;
  const bounds = `${reference.name} goes from 1 to ${reference.length}`;
  if (start > reference.length || end > reference.length)
    throw new RouseError("OUT_OF_RANGE", `${reference.name}:${start}-${end} is outside: ${bounds}.`, {
      reason: "REGION_OUT_OF_BOUNDS",
    });
  if (start > end)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The start ${start} is behind the end ${end}; ${bounds}, and a region is read forwards.`,
      { reason: "REGION_INVALID" },
    );
  if (end - start + 1 > longest)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The region has ${end - start + 1} bases; ask for at most ${longest} at a time.`,
      { reason: "REGION_TOO_LONG" },
    );
  return { reference: reference.name, start, end };
}

function listOf(names: readonly string[]): string {
  const first = names.slice(0, 5).map((name) => `"${name}"`);
  if (names.length > 5) return `are ${first.join(", ")} and ${names.length - 5} more`;
  return `${names.length === 1 ? "is" : "are"} ${first.join(", ")}`;
}
