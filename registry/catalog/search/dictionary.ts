import SearchableMap from "minisearch/SearchableMap";

/** Words that are told for one with typos. */
const MOST_NEAR = 6;

/** The words of an index, to find those that somebody meant who made typos. */
export class Dictionary {
  readonly #tree = new SearchableMap<true>();
  /** The same words; asking a set is quicker than asking the tree. */
  readonly #known = new Set<string>();

  add(words: readonly string[]): void {
    for (const word of words) {
      if (this.#known.has(word)) continue;
      this.#known.add(word);
      this.#tree.set(word, true);
    }
  }

  /**
   * Words that are nearest to one: neighbours swapped, or letters added, left out or other ones; one of them in short words,
   * two in longer.
   *
   * @param has Whether the index has the word (still); those that are gone are forgotten.
   */
  near(word: string, has: (word: string) => boolean): string[] {
    const most = word.length < 4 ? 0 : word.length < 6 ? 1 : 2;
    if (most === 0) return [];
    const distances = new Map<string, number>();
    for (const [other, [, distance]] of this.#tree.fuzzyGet(word, most)) distances.set(other, distance);
    for (const other of swapped(word)) if (this.#known.has(other)) distances.set(other, 1);
    distances.delete(word);
    const nearest = Math.min(...distances.values());
    return [...distances]
      .filter(([, distance]) => distance === nearest)
      .map(([other]) => other)
      .sort((a, b) => sharedStart(b, word) - sharedStart(a, word) || (a < b ? -1 : 1))
      .filter((other) => this.#isThere(other, has))
      .slice(0, MOST_NEAR);
  }

  #isThere(word: string, has: (word: string) => boolean): boolean {
    if (has(word)) return true;
    this.#known.delete(word);
    this.#tree.delete(word);
    return false;
  }
}

/** A word with each pair of neighbours swapped: the commonest typo, which else counts as two. */
function swapped(word: string): string[] {
  return Array.from({ length: word.length - 1 }, (_, at) => {
    const [left, right] = [word[at] ?? "", word[at + 1] ?? ""];
    return word.slice(0, at) + right + left + word.slice(at + 2);
  });
}

/** Letters that two words begin with alike: people mistype ends more than beginnings. */
function sharedStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
