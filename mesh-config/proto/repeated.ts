import { randomBytes } from "node:crypto";
import type { BinaryReader } from "@bufbuild/protobuf/wire";

/** Shorter lists are read each time. */
const FEW = 64;
/** So many lists are remembered. */
const KEPT = 16;

/** Where the elements of a repeated field stand in a message: start, end, start … */
export type Bounds = number[];

/** Notes where the next element stands, and goes on behind it. */
export function skipElement(reader: BinaryReader, bounds: Bounds): void {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError("an element of a list is longer than its message");
  bounds.push(reader.pos, end);
  reader.pos = end;
}

/**
 * Reads a long list that many send, in whatever order, once for all of them: each gets the same object. When hundreds of Envoys come
 * back, each names tens of thousands of the same resources, and protobuf's maps have another order in each process.
 */
export class Repeated<T> {
  readonly #kept = new Map<string, T>();
  readonly #make: (bytes: Buffer, bounds: Bounds) => T;

  /** @param make Reads the elements. What it makes must not be changed, nor depend on anything but them, nor on their order. */
  constructor(make: (bytes: Buffer, bounds: Bounds) => T) {
    this.#make = make;
  }

  read(bytes: Buffer, bounds: Bounds): T {
    if (bounds.length < 2 * FEW) return this.#make(bytes, bounds);
    const key = digest(bytes, bounds);
    const value = this.#kept.get(key) ?? this.#make(bytes, bounds);
    // The latest is the last, and the first is the next to go.
    this.#kept.delete(key);
    this.#kept.set(key, value);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return value;
  }
}

/** Nobody can make up a list that passes for another one without this. */
const secret = randomBytes(8);
const [key0, key1] = [secret.readInt32LE(0), secret.readInt32LE(4)];

/**
 * Digest of byte strings in whatever order: the sums of the halves of HalfSipHash-1-3 (https://github.com/veorq/SipHash) of each.
 *
 * @param bounds Where they stand.
 */
export function digest(bytes: Uint8Array, bounds: Bounds): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let size = 0;
  let low = 0;
  let high = 0;
  for (let n = 0; n < bounds.length; n += 2) {
    const start = bounds[n] as number;
    const end = bounds[n + 1] as number;
    const length = end - start;
    size += length;
    let v0 = key0;
    let v1 = key1 ^ 0xee;
    let v2 = 0x6c796765 ^ key0;
    let v3 = 0x74656462 ^ key1;
    const words = (length >>> 2) + 1;
    for (let step = 0; step < words + 6; step++) {
      let word = 0;
      if (step < words - 1) word = view.getInt32(start + 4 * step, true);
      else if (step === words - 1) {
        word = length << 24;
        for (let at = start + 4 * step, shift = 0; at < end; at++, shift += 8)
          word |= view.getUint8(at) << shift;
      } else if (step === words) v2 ^= 0xee;
      else if (step === words + 3) {
        low = (low + (v1 ^ v3)) | 0;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    high = (high + (v1 ^ v3)) | 0;
  }
  return `${bounds.length} ${size} ${low} ${high}`;
}
