import { RouseError } from "../../sdk/errors.ts";
import { BLOCK_BYTES, blockRange, inBlocks, isGood } from "./blocks.ts";
import { Missing } from "./content/content.ts";
import { corruptArtifact, outOfRange } from "./errors.ts";
import type { OpenArtifacts } from "./open.ts";
import { addEvent, type LiveRow, liveRow, readSums } from "./rows.ts";
import { checked, inTransaction } from "./transaction.ts";

export interface ReadRange {
  readonly offset?: number;
  /** 0 or undefined: to the end. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

/** A part of an artifact that can be read. */
export interface Readout {
  readonly row: LiveRow;
  /** Bytes of the part. */
  readonly length: number;
  /** In chunks of 1 MiB at most, each compared with its checksum before. */
  readonly chunks: AsyncIterable<Buffer>;
}

/**
 * Begins to read a part of an artifact. No byte is given of a block that is not what was stored.
 *
 * @throws RouseError NOT_FOUND ARTIFACT_UNKNOWN, ARTIFACT_REMOVED; OUT_OF_RANGE ARTIFACT_RANGE; and while reading DATA_LOSS
 *   ARTIFACT_CORRUPT, UNAVAILABLE ARTIFACT_STORE_UNREACHABLE.
 */
export async function readChecked(
  open: OpenArtifacts,
  digest: string,
  { offset = 0, length = 0, signal }: ReadRange,
  now: () => number,
): Promise<Readout> {
  const row = await liveRow(checked(open.pool), digest);
  const most = row.bytes - offset;
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    length > most ||
    most < 0
  )
    throw outOfRange(digest, row.bytes, offset, length);
  const part = length === 0 ? most : length;
  return { row, length: part, chunks: chunksOf(open, row, offset, part, now, signal) };
}

async function* chunksOf(
  open: OpenArtifacts,
  row: LiveRow,
  offset: number,
  length: number,
  now: () => number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const { digest, place, bytes } = row;
  const range = blockRange(bytes, offset, length);
  let index = range.firstBlock;
  let { skip, take: left } = range;
  const damaged = async (index: number, what: string): Promise<never> => {
    // Somebody may have removed it meanwhile, or mended it.
    const current = await liveRow(checked(open.pool), digest);
    if (current.place !== place)
      throw new RouseError("UNAVAILABLE", `The artifact was stored anew while it was read. Read it again.`, {
        reason: "ARTIFACT_REPLACED",
      });
    const from = index * BLOCK_BYTES;
    const where = `bytes ${from} to ${Math.min(bytes, from + BLOCK_BYTES) - 1} ${what}`;
    await noteDamage(open, digest, place, where, new Date(now()));
    throw corruptArtifact(digest, where, open.contents.title);
  };
  const sums = (await readSums(checked(open.pool), digest, place)) ?? (await damaged(index, "were replaced"));
  try {
    const source = open.contents.read(place, range.offset, range.length, signal);
    for await (const block of inBlocks(source)) {
      if (!isGood(block, index, sums)) await damaged(index, "are not what was stored");
      const chunk = block.subarray(skip, skip + left);
      skip = 0;
      left -= chunk.length;
      index += 1;
      if (chunk.length > 0) yield chunk;
    }
  } catch (thrown) {
    if (!(thrown instanceof Missing)) throw thrown;
    await damaged(index, "are missing");
  }
}

/** The next upload of the same content is not taken for a second copy then. */
async function noteDamage(open: OpenArtifacts, digest: string, place: string, where: string, at: Date) {
  await inTransaction(open.pool, async (db) => {
    const { rowCount } = await db.query(
      "UPDATE artifacts SET damaged = true WHERE digest = $1 AND place = $2 AND NOT damaged",
      [digest, place],
    );
    if (rowCount === 1) await addEvent(db, { digest, at, by: "orders", what: "damaged", facts: { where } });
  });
}
