import { decodeValue, type KvItem } from "./kv.ts";

interface Cached<Value> {
  modifyIndex: number;
  raw: string | null;
  value: Value | undefined;
}

/**
 * Parsed values of the keys below a prefix. A key is parsed again only when it changed: by its ModifyIndex, or, where indexes
 * cannot be trusted, by its raw value.
 */
export class PrefixCache<Value> {
  readonly #parse: (key: string, json: unknown) => Value;
  readonly #onBad: (key: string, error: Error) => void;
  readonly #cached = new Map<string, Cached<Value>>();

  /** @param onBad - Told of a value that does not parse; the last good one of that key stays. */
  constructor(parse: (key: string, json: unknown) => Value, onBad: (key: string, error: Error) => void) {
    this.#parse = parse;
    this.#onBad = onBad;
  }

  get(key: string): Value | undefined {
    return this.#cached.get(key)?.value;
  }

  keys(): Iterable<string> {
    return this.#cached.keys();
  }

  /**
   * Takes over all keys of the prefix.
   *
   * @param fresh - Compare by raw value: the list may come from another Consul.
   * @returns the keys that are new, changed or gone.
   */
  replace(items: readonly KvItem[], fresh: boolean): string[] {
    const changed: string[] = [];
    const present = new Set<string>();
    for (const item of items) {
      present.add(item.Key);
      const known = this.#cached.get(item.Key);
      if (known !== undefined) {
        const same = fresh ? known.raw === item.Value : known.modifyIndex === item.ModifyIndex;
        known.modifyIndex = item.ModifyIndex;
        if (same || known.raw === item.Value) continue;
      }
      let value = known?.value;
      try {
        value = this.#parse(item.Key, JSON.parse(decodeValue(item).toString("utf8")));
      } catch (thrown) {
        this.#onBad(item.Key, thrown as Error);
      }
      this.#cached.set(item.Key, { modifyIndex: item.ModifyIndex, raw: item.Value, value });
      if (value !== known?.value) changed.push(item.Key);
    }
    for (const [key, gone] of this.#cached) {
      if (present.has(key)) continue;
      this.#cached.delete(key);
      if (gone.value !== undefined) changed.push(key);
    }
    return changed;
  }
}
