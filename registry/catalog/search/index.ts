import MiniSearch, { type Query, type SearchOptions } from "minisearch";
import { FIELDS, type FieldName, type SearchDocument } from "./document.ts";
import { fold, queryWords, words } from "./words.ts";

/** A service that was found. */
export interface Found {
  readonly id: string;
  readonly score: number;
  /** The words of the service that fit the query's. */
  readonly words: readonly string[];
}

/** More words of a query than these are not looked at: each costs a walk through the index. */
const MOST_WORDS = 12;
/** What an exact name, and a name that begins with the query, add to the score: more than any text can. */
const EXACT = 1_000_000;
const PREFIX = 1_000;

/** Words that say nothing, as long as a query has others. English. */
const EMPTY_WORDS = new Set(
  "a an and are as at be by can do for from get how i in is it of on or that the this to want what which with".split(
    " ",
  ),
);

/** Full-text index of services. */
export class SearchIndex {
  readonly #documents = new Map<string, SearchDocument>();
  readonly #index = new MiniSearch<SearchDocument>({
    fields: Object.keys(FIELDS),
    extractField: (document, field) =>
      field === "id"
        ? document.id
        : document.pieces.flatMap((piece) => (piece.field === field ? [piece.text] : [])).join("\n"),
    tokenize: words,
    processTerm: (term) => term,
  });
  #names: readonly string[] | undefined;

  get size(): number {
    return this.#documents.size;
  }

  get(id: string): SearchDocument | undefined {
    return this.#documents.get(id);
  }

  /** All services by name. */
  names(): readonly string[] {
    this.#names ??= [...this.#documents.keys()].sort();
    return this.#names;
  }

  put(document: SearchDocument): void {
    if (this.#documents.has(document.id)) this.#index.discard(document.id);
    else this.#names = undefined;
    this.#documents.set(document.id, document);
    this.#index.add(document);
  }

  remove(id: string): void {
    if (!this.#documents.delete(id)) return;
    this.#index.discard(id);
    this.#names = undefined;
  }

  /**
   * Services in which the query is found, best first.
   *
   * All words must be found, as wholes or beginnings; when that finds nothing, with typos; when that finds nothing either, any
   * word does.
   *
   * @param query Not empty.
   * @param keep Filter on the service's name.
   */
  search(query: string, keep: (id: string) => boolean): Found[] {
    const all = queryWords(query);
    const telling = all.filter((word) => !EMPTY_WORDS.has(word));
    const asked = (telling.length > 0 ? telling : all).slice(0, MOST_WORDS);
    if (asked.length === 0) return [];
    const options: SearchOptions = {
      boost: FIELDS,
      filter: ({ id }) => keep(id as string),
      tokenize: (text) => [text],
      prefix: true,
    };
    const find = (tree: Query) => this.#index.search(tree, options);
    let results = find({ combineWith: "AND", queries: asked });
    if (results.length === 0) results = find({ combineWith: "AND", queries: asked.map(withTypos) });
    if (results.length === 0 && asked.length > 1)
      results = find({ combineWith: "OR", queries: asked.map(withTypos) });
    const wanted = fold(query.trim());
    return results
      .map(({ id, score, terms }) => ({
        id: id as string,
        score: score + bonus(id as string, wanted),
        words: terms,
      }))
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  }
}

/** A word with its typos: letters added, left out or other ones, and neighbours swapped. */
function withTypos(word: string): Query {
  const fuzzy = word.length < 4 ? 0 : word.length < 6 ? 1 : 2;
  const near: Query = { queries: [word], fuzzy };
  return { combineWith: "OR", queries: [near, ...swapped(word)] };
}

function swapped(word: string): string[] {
  if (word.length < 4) return [];
  return Array.from({ length: word.length - 1 }, (_, at) => {
    const [left, right] = [word[at] ?? "", word[at + 1] ?? ""];
    return left === right ? "" : word.slice(0, at) + right + left + word.slice(at + 2);
  }).filter((other) => other !== "");
}

/** What the name alone adds: a query that is the name, or its beginning, means that service. */
function bonus(id: string, wanted: string): number {
  const name = fold(id);
  const last = name.slice(name.lastIndexOf(".") + 1);
  const short = last.replace(/service$/, "");
  if (wanted === name || wanted === last || wanted === short) return EXACT;
  return name.startsWith(wanted) || last.startsWith(wanted) ? PREFIX : 0;
}

export type { FieldName };
