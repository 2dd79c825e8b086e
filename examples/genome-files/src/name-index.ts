import { growing } from "./growing.ts";
import { type SortedPairs, sortedPairs } from "./sorted-pairs.ts";

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
      const [hash32, record32] = [hashes.values(), records.values()];
      const pairs = sortedPairs(hash32.length, (i) => [hash32[i] ?? 0, record32[i] ?? 0]);
      return {
        candidates(name) {
          const wanted = hash(name);
          const found = new Set<number>();
          for (let i = lowerBound(pairs, wanted); i < pairs.length && pairs.first(i) === wanted; i++)
            found.add(pairs.second(i));
          return [...found];
        },
      };
    },
  };
}

/** FNV-1a over UTF-16 units (https://datatracker.ietf.org/doc/html/draft-eastlake-fnv has it over bytes). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

function lowerBound(sorted: SortedPairs, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted.first(middle) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
