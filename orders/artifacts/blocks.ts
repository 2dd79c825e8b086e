import { crc32 } from "node:zlib";
import { BLOCK_BYTES, SUM_BYTES } from "../../sdk/client/artifacts/block-sums.ts";

/**
 * Content is checked in blocks of so many bytes, each before it is given away: so a part of it can be read without reading the
 * whole, and what is damaged is never passed on.
 */
export { BLOCK_BYTES, BlockSums } from "../../sdk/client/artifacts/block-sums.ts";

/** A part of a content, and the blocks that have to be read for it. */
export interface BlockRange {
  /** The blocks' bytes: from, and how many. */
  readonly offset: number;
  readonly length: number;
  readonly firstBlock: number;
  /** Bytes before the part, in the first block. */
  readonly skip: number;
  /** Bytes of the part. */
  readonly take: number;
}

/** The whole blocks around a part of a content. The part must be within it. */
export function blockRange(bytes: number, offset: number, length: number): BlockRange {
  const firstBlock = Math.floor(offset / BLOCK_BYTES);
  const from = firstBlock * BLOCK_BYTES;
  const to = length === 0 ? from : Math.min(bytes, Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES);
  return { offset: from, length: to - from, firstBlock, skip: offset - from, take: length };
}

/** True where a block is what was stored. */
export function isGood(block: Uint8Array, index: number, sums: Buffer): boolean {
  const at = index * SUM_BYTES;
  return at + SUM_BYTES <= sums.length && crc32(block) === sums.readUInt32BE(at);
}

/**
 * Cuts a stream into whole blocks; the last may be shorter.
 *
 * Blocks that come as one chunk are passed on as they are.
 */
export async function* inBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - held);
      parts.push(part);
      held += part.length;
      at += part.length;
      if (held < BLOCK_BYTES) continue;
      yield whole(parts);
      parts = [];
      held = 0;
    }
  }
  if (held > 0) yield whole(parts);
}

function whole(parts: readonly Uint8Array[]): Buffer {
  const [first] = parts;
  if (first === undefined || parts.length > 1) return Buffer.concat(parts);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}
