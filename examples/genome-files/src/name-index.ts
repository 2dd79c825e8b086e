import { growing } from "./growing.ts";

/** Where names occur: 8 bytes for each, and no text. Who asks must check what it finds: hashes can collide. */
export interface NameIndex {
  /** Records that may have the name, ascending. */
  candidates(name: string): number[];
}

/** Takes names and records, then makes the index. */
export interface NameIndexBuilder {
  add(name: string, record: number): void;
  build(): NameIndex;
}

export function buildNameIndex(): NameIndexBuilder {
  const hashes = growing((length) => new Uint32Array(length));
  const records = growing((length) => new Uint32Array(length));
  return {
    add(name, record) {
      hashes.push(hash(name));
      records.push(record);
    },
    build() {
      const order = new Uint32Array(hashes.length).map((_, i) => i);
      const unsorted = hashes.values();
      order.sort((a, b) => (unsorted[a] ?? 0) - (unsorted[b] ?? 0) || a - b);
      const sorted = order.map((i) => unsorted[i] ?? 0);
      const record = order.map((i) => records.values()[i] ?? 0);
      return {
        candidates(name) {
          const wanted = hash(name);
          const found = new Set<number>();
          for (let i = lowerBound(sorted, wanted); sorted[i] === wanted; i++) found.add(record[i] ?? 0);
          return [...found].sort((a, b) => a - b);
        },
      };
    },
  };
}

/** FNV-1a, 32 bits (https://datatracker.ietf.org/doc/html/draft-eastlake-fnv). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
