import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FieldName, Piece } from "./document.ts";
import { bounded } from "./document.ts";
import { SearchIndex } from "./index.ts";
import { matchesOf } from "./matches.ts";
import { queryWords, words } from "./words.ts";

let index: SearchIndex;
beforeEach(() => {
  index = new SearchIndex();
});
afterEach(() => index.close());

const piece = (field: FieldName, text: string, where: string = field): Piece => ({ field, where, text });

/** Indexes a service with its name and these texts. */
function put(id: string, texts: Partial<Record<FieldName, string>> = {}): void {
  const pieces = Object.entries(texts).map(([field, text]) => piece(field as FieldName, text));
  index.put({ id, pieces: [piece("name", id), ...pieces] });
}

const names = (query: string) => index.search(query, () => true).found.map(({ id }) => id);

test("identifiers are words as a whole and in parts, without accents and case", () => {
  expect(words("genome.v1.GetFeatures by_name")).toEqual([
    "genome",
    "v1",
    "get",
    "features",
    "getfeatures",
    "by",
    "name",
  ]);
  expect(words("HTTPServer Müller's 日本")).toEqual(["http", "server", "httpserver", "muller", "s", "日本"]);
  expect(queryWords("GetFeatures getFeatures")).toEqual(["get", "features"]);
  expect(words("x".repeat(100_000))[0]).toHaveLength(64);
});

test("an exact name is before a beginning, that before a method, and that before a comment", () => {
  put("a.v1.CommentService", { comments: "Aligns by genome. The genome, always the genome." });
  put("b.v1.MethodService", { methods: "GetGenome" });
  put("c.v1.GenomeBrowserService");
  put("d.v1.GenomeService");
  expect(names("genome")).toEqual([
    "d.v1.GenomeService",
    "c.v1.GenomeBrowserService",
    "b.v1.MethodService",
    "a.v1.CommentService",
  ]);
  expect(names("d.v1.GenomeService")[0]).toBe("d.v1.GenomeService");
  expect(names("GENOMESERVICE")[0]).toBe("d.v1.GenomeService");
});

test("keywords and summary count more than a description, a whole word more than a beginning", () => {
  put("a.v1.A", { description: "phage", keywords: "other" });
  put("b.v1.B", { description: "other", keywords: "phage" });
  put("c.v1.C", { description: "phages", keywords: "other" });
  expect(names("phage")).toEqual(["b.v1.B", "a.v1.A", "c.v1.C"]);
});

test("typos are tolerated: neighbours swapped, letters lost, added, other", () => {
  put("a.v1.GenomeService", { description: "sequence of host" });
  put("b.v1.OtherService", { description: "nothing of it" });
  for (const query of [
    "genmoe",
    "gnome",
    "genomme",
    "genoma",
    "seqeunce",
    "sequnce",
    "hsot",
    "gneome sequense",
  ])
    expect([query, names(query)]).toEqual([query, ["a.v1.GenomeService"]]);
  expect(names("zzz")).toEqual([]);
  expect(names("hxxt")).toEqual([]);
});

test("all words must be found; where no service has all, any word will do", () => {
  put("a.v1.A", { description: "red apple" });
  put("b.v1.B", { description: "green pear" });
  expect(names("red apple")).toEqual(["a.v1.A"]);
  expect(names("how do I get the red apple")).toEqual(["a.v1.A"]);
  expect(names("apple pear").sort()).toEqual(["a.v1.A", "b.v1.B"]);
  // Where it says nothing else, a word that says little is searched.
  expect(names("the")).toEqual([]);
});

test("a service that is put again or removed is found by its new words only", () => {
  put("a.v1.A", { description: "before" });
  put("a.v1.A", { description: "after" });
  expect([names("before"), names("after")]).toEqual([[], ["a.v1.A"]]);
  index.remove("a.v1.A");
  expect([names("after"), index.names(), index.pieces("a.v1.A")]).toEqual([[], [], []]);
});

test("a service whose contract is still to be read is found by its name", () => {
  index.announce("a.v1.GenomeService");
  put("b.v1.GenomeBrowserService");
  expect(names("genome")).toEqual(["b.v1.GenomeBrowserService", "a.v1.GenomeService"]);
  put("a.v1.GenomeService", { description: "phage" });
  expect(names("phage")).toEqual(["a.v1.GenomeService"]);
});

/** Texts of any code points, lone surrogates among them. */
const anything = fc
  .array(fc.integer({ min: 0, max: 0x10_ffff }), { maxLength: 100 })
  .map((codes) => String.fromCodePoint(...codes));

test("no characters break it, those of the index's own language neither", () => {
  put("a.v1.A", { description: 'NEAR("a" b, 5) OR * ^ : + - { } \u0000 \ud800 ½ ﬁ ß İ' });
  for (const query of [
    '"',
    "*",
    "a OR b",
    'NEAR("a" "b")',
    "name:a",
    "(",
    "a AND",
    "\u0000",
    "\ud800",
    "½",
    "ß",
    "-a",
    "^a",
  ])
    expect(() => names(query)).not.toThrow();
  fc.assert(
    fc.property(anything, (query) => {
      expect(Array.isArray(names(query))).toBe(true);
      matchesOf(index.pieces("a.v1.A"), index.search(query, () => true).words);
    }),
    { numRuns: 100 },
  );
});

test("matches tell where a word was found, with the text around", () => {
  const long = `${"before ".repeat(60)}the needle ${"after ".repeat(60)}`;
  const pieces = [
    piece("methods", "FindNeedles", "method FindNeedles"),
    piece("comments", long, "comment of FindNeedles"),
    piece("comments", "nothing", "comment of Other"),
  ];
  const matches = matchesOf(pieces, ["needle"]);
  expect(matches.map(({ where }) => where)).toEqual(["method FindNeedles", "comment of FindNeedles"]);
  expect(matches[1]?.text).toMatch(/^…(before )+the needle (after )+after…$/);
  expect(matches[1]?.text.length).toBeLessThanOrEqual(162);
});

test("of a service with very much text the beginning is indexed", () => {
  const pieces = bounded([
    piece("name", "a.v1.A"),
    piece("comments", "x".repeat(300_000)),
    piece("comments", "y"),
  ]);
  expect(pieces.map(({ text }) => text.length)).toEqual([6, 199_994]);
});
