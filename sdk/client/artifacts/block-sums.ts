import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** A content's checksums are of blocks of so many bytes. */
export const BLOCK_BYTES = 2 ** 20;
/** Of one block's CRC-32. */
export const SUM_BYTES = 4;

/** Makes the checksums of a content's blocks while it comes in. */
export class BlockSums {
  readonly #sums: number[] = [];
  #sum = 0;
  #filled = 0;

  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#sum = crc32(part, this.#sum);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) this.#close();
    }
  }

  /** All up to now, 4 bytes each, big endian. */
  bytes(): Buffer {
    const sums = this.#filled > 0 ? [...this.#sums, this.#sum] : this.#sums;
    const out = Buffer.alloc(sums.length * SUM_BYTES);
    for (const [index, sum] of sums.entries()) out.writeUInt32BE(sum, index * SUM_BYTES);
    return out;
  }

  #close(): void {
    this.#sums.push(this.#sum);
    this.#sum = 0;
    this.#filled = 0;
  }
}

/** What two sides compare that have made the same checksums. */
export function digestOfSums(sums: Uint8Array): string {
  return createHash("sha256").update(sums).digest("hex");
}
