import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Dictionary } from "./dictionary.ts";
import { FIELDS, type Piece, type SearchDocument } from "./document.ts";
import { fold, queryWords, words } from "./words.ts";

/** A service that was found. */
export interface Found {
  readonly id: string;
  readonly score: number;
}

export interface FoundAll {
  /** Best first. */
  readonly found: readonly Found[];
  /** What was looked for: words of the service begin with one of these. */
  readonly words: readonly string[];
}

/** More words of a query than these are not looked at. */
const MOST_WORDS = 12;
/** What an exact name, and a name that begins with the query, add to the score: more than any text can. */
const EXACT = 1_000_000;
const PREFIX = 1_000;
/** Memory for pages of the index, KiB; what is beyond that lies in a temporary file. */
const CACHE_KIB = 64 * 1024;

/** Words that say nothing, as long as a query has others. English. */
const EMPTY_WORDS = new Set(
  "a an and are as at be by can do for from get how i in is it of on or that the this to want what which with".split(
    " ",
  ),
);

interface Entry {
  /** Undefined: only its name is known yet. */
  readonly rowid: number | undefined;
  /** Name, last part of it, and that without "Service"; without accents, in lower case. */
  readonly name: string;
  readonly last: string;
  readonly short: string;
}

/**
 * Full-text index of services, in a private temporary database of SQLite: its FTS5 ranks by BM25 with a weight for each field,
 * and keeps texts out of the heap. (MiniSearch, in the heap, took seconds where many services have a word, and 700 MB for 10,000
 * services; its tree still serves to find words in spite of typos.)
 */
export class SearchIndex {
  readonly #database = new DatabaseSync("");
  readonly #dictionary = new Dictionary();
  readonly #entries = new Map<string, Entry>();
  readonly #ids = new Map<number, string>();
  readonly #unindexed = new Set<string>();
  readonly #insert: StatementSync;
  readonly #insertTexts: StatementSync;
  readonly #delete: StatementSync;
  readonly #deleteTexts: StatementSync;
  readonly #readTexts: StatementSync;
  readonly #match: StatementSync;
  readonly #any: StatementSync;
  #nextRow = 1;
  #names: readonly string[] | undefined;

  constructor() {
    const fields = Object.keys(FIELDS);
    // Words are split before they come here, and may be of any script: this tokenizer keeps all of them.
    this.#database.exec(`
      PRAGMA journal_mode = OFF;
      PRAGMA synchronous = OFF;
      PRAGMA cache_size = -${CACHE_KIB};
      CREATE VIRTUAL TABLE words USING fts5(
        ${fields.join(", ")}, content = '', contentless_delete = 1, prefix = '1 2', tokenize = 'ascii');
      CREATE TABLE texts (id INTEGER PRIMARY KEY, pieces TEXT NOT NULL);
    `);
    const marks = fields.map(() => "?").join(", ");
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#insert = prepare(`INSERT INTO words (rowid, ${fields.join(", ")}) VALUES (?, ${marks})`);
    this.#insertTexts = prepare("INSERT INTO texts VALUES (?, ?)");
    this.#delete = prepare("DELETE FROM words WHERE rowid = ?");
    this.#deleteTexts = prepare("DELETE FROM texts WHERE id = ?");
    this.#readTexts = prepare("SELECT pieces FROM texts WHERE id = ?");
    const weights = Object.values(FIELDS).join(", ");
    this.#match = prepare(
      `SELECT rowid, -bm25(words, ${weights}) AS score FROM words WHERE words MATCH ? ORDER BY score DESC`,
    );
    // Thousands of rows may fit: arrays are made faster than objects.
    this.#match.setReturnArrays(true);
    this.#any = prepare("SELECT rowid FROM words WHERE words MATCH ? LIMIT 1");
  }

  get size(): number {
    return this.#entries.size;
  }

  /** All services by name. */
  names(): readonly string[] {
    this.#names ??= [...this.#entries.keys()].sort();
    return this.#names;
  }

  /** The texts of a service; none for one that is not there. */
  pieces(id: string): readonly Piece[] {
    const entry = this.#entries.get(id);
    const row = entry?.rowid === undefined ? undefined : this.#readTexts.get(entry.rowid);
    return row === undefined ? [] : (JSON.parse(String(row.pieces)) as Piece[]);
  }

  /** Begins a step of many changes, if none is under way: in steps they take a fraction of the time. What is in it is found. */
  begin(): void {
    if (!this.#database.isTransaction) this.#database.exec("BEGIN");
  }

  commit(): void {
    if (this.#database.isTransaction) this.#database.exec("COMMIT");
  }

  /** Lets a service that is not indexed yet be found by its name. */
  announce(id: string): void {
    if (!this.#entries.has(id)) this.#enter(id, undefined);
  }

  put({ id, pieces }: SearchDocument): void {
    this.remove(id);
    const rowid = this.#nextRow++;
    const texts = Object.keys(FIELDS).map((field) => {
      const found = pieces.flatMap((piece) => (piece.field === field ? words(piece.text) : []));
      this.#dictionary.add(found);
      return found.join(" ");
    });
    this.#insert.run(rowid, ...texts);
    this.#insertTexts.run(rowid, JSON.stringify(pieces));
    this.#enter(id, rowid);
    this.#ids.set(rowid, id);
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#names = undefined;
    this.#unindexed.delete(id);
    if (entry.rowid === undefined) return;
    this.#ids.delete(entry.rowid);
    this.#delete.run(entry.rowid);
    this.#deleteTexts.run(entry.rowid);
  }

  #enter(id: string, rowid: number | undefined): void {
    const name = fold(id);
    const last = name.slice(name.lastIndexOf(".") + 1);
    this.#entries.set(id, { rowid, name, last, short: last.replace(/service$/, "") });
    this.#names = undefined;
    if (rowid === undefined) this.#unindexed.add(id);
    else this.#unindexed.delete(id);
  }

  /**
   * Services in which the query is found.
   *
   * All words must be found, as wholes or beginnings; a word that nobody has may have typos; when that finds nothing, all may;
   * and at last any word does.
   *
   * @param query Not empty.
   * @param keep Filter on the service's name.
   */
  search(query: string, keep: (id: string) => boolean): FoundAll {
    const all = queryWords(query);
    const telling = all.filter((word) => !EMPTY_WORDS.has(word));
    const asked = (telling.length > 0 ? telling : all).slice(0, MOST_WORDS);
    if (asked.length === 0) return { found: [], words: [] };
    const wanted = fold(query.trim());
    for (const attempt of this.#attempts(asked)) {
      const terms = attempt.words.map((either) => `(${either.map(termOf).join(" OR ")})`);
      const found = this.#find(terms.join(` ${attempt.join} `), wanted, keep);
      found.push(...this.#named(attempt.words, keep));
      if (found.length > 0) return { found, words: attempt.words.flat() };
    }
    return { found: [], words: [] };
  }

  close(): void {
    // It may be closed twice.
    if (this.#database.isOpen) this.#database.close();
  }

  /** What to look for, one after the other until something is found; for each word those that are as good. */
  *#attempts(asked: readonly string[]): Iterable<{ words: string[][]; join: "AND" | "OR" }> {
    yield { words: asked.map((word) => [word]), join: "AND" };
    const isKnown = asked.map((word) => this.#any.get(termOf(word)) !== undefined);
    const near = asked.map((word) => [word, ...this.#dictionary.near(word, (other) => this.#has(other))]);
    const mended = asked.map((word, at) => (isKnown[at] === true ? [word] : (near[at] ?? [word])));
    yield { words: mended, join: "AND" };
    yield { words: near, join: "AND" };
    if (asked.length > 1) yield { words: mended, join: "OR" };
  }

  #has(word: string): boolean {
    return this.#any.get(`"${word}"`) !== undefined;
  }

  #find(match: string, wanted: string, keep: (id: string) => boolean): Found[] {
    const named: Found[] = [];
    const others: Found[] = [];
    for (const [rowid, score] of this.#match.all(match) as unknown as [number, number][]) {
      const id = this.#ids.get(rowid);
      if (id === undefined || !keep(id)) continue;
      const bonus = this.#bonus(id, wanted);
      (bonus > 0 ? named : others).push({ id, score: score + bonus });
    }
    named.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return [...named, ...others];
  }

  /** Services that are not indexed yet and have all words in their names. */
  #named(wanted: readonly (readonly string[])[], keep: (id: string) => boolean): Found[] {
    return [...this.#unindexed]
      .filter((id) => {
        const name = this.#entries.get(id)?.name ?? "";
        return wanted.every((either) => either.some((word) => name.includes(word))) && keep(id);
      })
      .map((id) => ({ id, score: 0 }));
  }

  /** What the name alone adds: a query that is the name, or its beginning, means that service. */
  #bonus(id: string, wanted: string): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return 0;
    const { name, last, short } = entry;
    if (wanted === name || wanted === last || wanted === short) return EXACT;
    return name.startsWith(wanted) || last.startsWith(wanted) ? PREFIX : 0;
  }
}

/** A word in the language of FTS5: as a whole, which counts more, or as a beginning. */
function termOf(word: string): string {
  return `"${word}" OR "${word}" *`;
}
