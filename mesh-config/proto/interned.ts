/** Places for texts; one that needs a place which is taken gets it. A power of two. */
const PLACES = 1 << 17;
/** Longer ones are not kept, bytes. */
const LONGEST = 256;

interface Kept {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Reads texts that come again and again from their bytes, as the same string each time: when hundreds of Envoys come back, each names tens
 * of thousands of the same resources, and making and hashing a string for each took most of the time.
 */
export class Interned {
  readonly #kept: (Kept | undefined)[] = [];

  /** @throws RangeError when the bytes end before. */
  read(bytes: Buffer, start: number, end: number): string {
    if (end > bytes.length) throw new RangeError("a text is longer than its message");
    const length = end - start;
    if (length > LONGEST) return bytes.toString("utf8", start, end);
    // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/).
    let hash = 0x811c9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    const place = (hash ^ (hash >>> 17)) & (PLACES - 1);
    const kept = this.#kept[place];
    if (kept !== undefined && same(kept.bytes, bytes, start, length)) return kept.text;
    const text = bytes.toString("utf8", start, end);
    this.#kept[place] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), text };
    return text;
  }
}

function same(a: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (a.length !== length) return false;
  for (let n = 0; n < length; n++) if (a[n] !== bytes[start + n]) return false;
  return true;
}
