/** A map may differ by so much from what it shares before that is looked at again. */
const FEW = 64;

/** The entries of a map, as they differ from those of a base. */
export interface Overlay<V> {
  readonly base: ReadonlyMap<string, V>;
  /** Undefined: the base's entry is not among them. */
  readonly own: ReadonlyMap<string, V | undefined>;
  readonly size: number;
}

type Entries<V> = Iterable<readonly [string, V]> & Pick<ReadonlyMap<string, V>, "size" | "has">;

/**
 * Entries for these names. Where little is in common with the base, it is without one.
 *
 * @param same Whether the base's entry is the one.
 * @param made Makes another one.
 */
export function overlay<V, W = V>(
  entries: Entries<W>,
  base: ReadonlyMap<string, V>,
  same: (of: V, entry: W) => boolean,
  made: (name: string, entry: W) => V,
): Overlay<V> {
  const { size } = entries;
  const own = new Map<string, V | undefined>();
  for (const [name, entry] of entries) {
    const found = base.get(name);
    if (found === undefined || !same(found, entry)) own.set(name, made(name, entry));
  }
  const shared = size - own.size;
  if (shared > 0 && shared >= base.size / 2) {
    // Where all of the base was found there are none of it that are missing.
    if (shared < base.size) for (const name of base.keys()) if (!entries.has(name)) own.set(name, undefined);
    return { base, own, size };
  }
  for (const [name, entry] of entries) if (!own.has(name)) own.set(name, made(name, entry));
  return { base: new Map(), own, size };
}

/** The same of a map with entries like the base's. */
export function overlayOf<V>(entries: Entries<V>, base: ReadonlyMap<string, V>): Overlay<V> {
  return overlay(
    entries,
    base,
    (a, b) => a === b,
    (_, value) => value,
  );
}

/**
 * A map by name that shares what it has in common with hundreds of others: only what differs from a base is its own. All Envoys have
 * nearly the same tens of thousands of resources, and a map of them for each was most of what an Envoy cost in memory.
 */
export class Layered<V> {
  #base: ReadonlyMap<string, V> = new Map();
  /** Undefined: the base's entry is not in it. */
  #own = new Map<string, V | undefined>();
  #size = 0;
  #limit = FEW;

  get size(): number {
    return this.#size;
  }

  /** How many entries are not shared. */
  get apart(): number {
    return this.#own.size;
  }

  get(name: string): V | undefined {
    const own = this.#own.get(name);
    return own !== undefined || this.#own.has(name) ? own : this.#base.get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: V): void {
    const shared = this.#base.get(name);
    const before = this.#own.get(name);
    if (before === undefined && (shared === undefined || this.#own.has(name))) this.#size++;
    if (shared === value) this.#own.delete(name);
    else this.#own.set(name, value);
  }

  delete(name: string): void {
    if (!this.has(name)) return;
    this.#size--;
    if (this.#base.has(name)) this.#own.set(name, undefined);
    else this.#own.delete(name);
  }

  *keys(): Generator<string> {
    for (const [name] of this) yield name;
  }

  [Symbol.iterator](): Iterator<[string, V]> {
    // Without a base there is nothing to leave out.
    return this.#base.size === 0 ? (this.#own as Map<string, V>).entries() : this.#entries();
  }

  *#entries(): Generator<[string, V]> {
    for (const entry of this.#base) if (!this.#own.has(entry[0])) yield entry;
    for (const [name, value] of this.#own) if (value !== undefined) yield [name, value];
  }

  /** Names of what is not as in the base. */
  differences(): Iterable<string> {
    return this.#own.keys();
  }

  /** Has these entries from now on, and no others. */
  take({ base, own, size }: Overlay<V>): void {
    this.#base = base;
    this.#own = new Map(own);
    this.#size = size;
    // Not all at the same change: it costs a look at every entry.
    this.#limit = FEW + Math.max(2 * own.size, (size / 8) * (1 + Math.random()));
  }

  /** Shares the base's entries from now on, if much has become its own. */
  settle(base: () => ReadonlyMap<string, V>): void {
    if (this.#own.size > this.#limit) this.take(overlayOf(this, base()));
  }
}
