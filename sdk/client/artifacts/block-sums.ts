import { crc32 } from "node:zlib";

/** A content's checksums are of blocks of so many bytes. */
export const BLOCK_BYTES = 2 ** 20;
/** Of one block's CRC-32. */
export const SUM_BYTES = 4;

/** Makes the checksums of a content's blocks while it comes in. */
export class BlockSums {
  /** Undefined: it was left out. */
  readonly #sums: (number | undefined)[] = [];
  #sum: number | undefined;
  #filled = 0;

  /** @param wanted Whether the checksum of a block that begins here is made. Default: it is. */
  update(chunk: Uint8Array, wanted: (block: number) => boolean = () => true): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#filled === 0) this.#sum = wanted(this.#sums.length) ? 0 : undefined;
      const part = chunk.subarray(at, at + BLOCK_BYTES - this.#filled);
      if (this.#sum !== undefined) this.#sum = crc32(part, this.#sum);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) this.#close();
    }
  }

  /** False: some were left out. */
  get complete(): boolean {
    return !this.#all().includes(undefined);
  }

  /** All up to now, 4 bytes each, big endian. None may have been left out. */
  bytes(): Buffer {
    const sums = this.#all();
    const out = Buffer.alloc(sums.length * SUM_BYTES);
    for (const [index, sum] of sums.entries()) {
      if (sum === undefined) throw new Error(`the checksum of block ${index} was not made`);
      out.writeUInt32BE(sum, index * SUM_BYTES);
    }
    return out;
  }

  /** Whether those that were made are the same in `sums`, which has all. */
  agree(sums: Uint8Array): boolean {
    const view = new DataView(sums.buffer, sums.byteOffset, sums.byteLength);
    const own = this.#all();
    return (
      own.length * SUM_BYTES === sums.length &&
      own.every((sum, index) => sum === undefined || sum === view.getUint32(index * SUM_BYTES))
    );
  }

  #all(): readonly (number | undefined)[] {
    return this.#filled > 0 ? [...this.#sums, this.#sum] : this.#sums;
  }

  #close(): void {
    this.#sums.push(this.#sum);
    this.#filled = 0;
  }
}

/** Bytes of the checksums of a content of so many bytes. */
export function sumBytesOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * SUM_BYTES;
}
