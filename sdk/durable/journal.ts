import { type Entry, EntryKind } from "./entry.ts";

/** A journal in memory, for tests and for services without a mesh. */
export class MemoryJournal {
  readonly #entries = new Map<number, Entry>();
  #order = 0;

  /** All entries by index. */
  get entries(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => a.index - b.index);
  }

  /** Commits an entry; one that is done gets its place in the order of completions. */
  commit(entry: Entry): Entry {
    const kept = entry.done ? { ...entry, order: ++this.#order } : entry;
    this.#entries.set(kept.index, kept);
    return kept;
  }

  /** Commits the end of what was under way. */
  complete(index: number, end: Partial<Pick<Entry, "value" | "error">>): Entry | undefined {
    const entry = this.#entries.get(index);
    return entry === undefined || entry.done ? undefined : this.commit({ ...entry, ...end, done: true });
  }
}

/** Whether an entry is answered by the code itself at once: it is sent, and nobody waits for it. */
export function isAnsweredAtOnce({ kind }: Pick<Entry, "kind">): boolean {
  return kind === EntryKind.RANDOM || kind === EntryKind.TIME || kind === EntryKind.PATCH;
}

/** What is kept of a key, in memory, after an entry of the kind KEEP. */
export function keepIn(kept: Map<string, Buffer>, { name, value }: Pick<Entry, "name" | "value">): void {
  if (value.length === 0) kept.delete(name);
  else kept.set(name, value);
}

/** How an entry of the kind KEPT ends. */
export function whatIsKept(
  kept: ReadonlyMap<string, Buffer>,
  { name }: Pick<Entry, "name">,
): Partial<Pick<Entry, "value">> {
  const value = kept.get(name);
  return value === undefined ? {} : { value };
}
