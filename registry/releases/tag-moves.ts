import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { ConsulClient } from "../consul.ts";
import { tagMovesKey } from "../keys.ts";
import { readKey, type TransactionStep } from "../kv.ts";
import type { Tags } from "../records.ts";
import { parseValue, type ServiceRecord, tagsStep } from "../service-record.ts";
import type { WeightedVersion } from "../state.ts";

const weighted = z.array(z.object({ version: z.string(), weight: z.number() }));

/** One move of a tag. */
const moveSchema = z.object({
  /** Empty: the tag was not there. */
  from: weighted,
  /** Empty: it was taken away. */
  to: weighted,
  /** Provider id, or "administrator". */
  by: z.string(),
  atMs: z.number(),
});
export type TagMove = z.infer<typeof moveSchema>;

/** Value of rouse/tag-moves/<service>/<tag>: the latest moves, newest first. */
const movesSchema = z.array(moveSchema);

/** So many moves of a tag are kept. */
const MOST_MOVES = 50;

interface Moves {
  readonly moves: readonly TagMove[];
  /** ModifyIndex; 0 when there are none. */
  readonly index: number;
}

/** The latest moves of a tag, newest first. */
export async function readMoves(consul: ConsulClient, service: string, tag: string): Promise<Moves> {
  const item = await readKey(consul, tagMovesKey(service, tag));
  if (item === undefined) return { moves: [], index: 0 };
  return { moves: parseValue(movesSchema, item), index: item.ModifyIndex };
}

/**
 * The steps that move tags of a service, and note for each that moves what it named before. Every change of a tag goes through here, so
 * that a rollback knows where to go.
 *
 * @param tags - What each shall name; nothing takes it away.
 */
export async function moveSteps(
  consul: ConsulClient,
  service: string,
  record: Pick<ServiceRecord, "tags" | "tagsIndex">,
  tags: Readonly<Record<string, readonly WeightedVersion[]>>,
  by: string,
  nowMs: number,
): Promise<TransactionStep[]> {
  const after: Tags = { ...record.tags };
  const notes: TransactionStep[] = [];
  for (const [tag, versions] of Object.entries(tags)) {
    const to = versions.map(({ version, weight }) => ({ version, weight }));
    const from = record.tags[tag] ?? [];
    if (to.length === 0) delete after[tag];
    else after[tag] = to;
    if (isDeepStrictEqual(from, to)) continue;
    const { moves, index } = await readMoves(consul, service, tag);
    const value = JSON.stringify([{ from, to, by, atMs: nowMs }, ...moves].slice(0, MOST_MOVES));
    notes.push({ verb: "cas", key: tagMovesKey(service, tag), index, value });
  }
  return [tagsStep(service, after, record.tagsIndex), ...notes];
}

/**
 * Whether a tag has named a version since that was registered: it has passed the gate then, and may be named again.
 *
 * @param registeredAtMs - A version that was removed may have come back with other content.
 */
export function hasNamed(moves: readonly TagMove[], version: string, registeredAtMs: number): boolean {
  return moves.some(
    ({ to, atMs }) => atMs >= registeredAtMs && to.some((entry) => entry.version === version),
  );
}

/** What a tag names, in words: "1.0.0", "1.0.0=90 2.0.0=10", "nothing". */
export function sharesOf(versions: readonly WeightedVersion[]): string {
  const [only] = versions;
  if (versions.length === 1 && only !== undefined) return only.version;
  return versions.map(({ version, weight }) => `${version}=${weight}`).join(" ") || "nothing";
}
