/** Longest word that is kept, characters; what is longer is cut, so that no text can bloat the index. */
const LONGEST = 64;

/** Words whose parts are remembered: texts say the same words again and again. */
const MOST_REMEMBERED = 50_000;
const remembered = new Map<string, readonly string[]>();

/**
 * The words of a text, as they are indexed and searched: without accents, in lower case; an identifier as a whole and in its
 * parts, so that "GetFeatures" is found by "getfeatures", "features" and "get".
 */
export function words(text: string): string[] {
  const found: string[] = [];
  for (const word of text.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []) {
    let all = remembered.get(word);
    if (all === undefined) {
      const parts = camelParts(word);
      all = [...new Set([...parts, word].map(indexed))].filter((part) => part !== "");
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      remembered.set(word, all);
    }
    found.push(...all);
  }
  return found;
}

/** The words of a query: of an identifier only its parts, for all of a query's words must be found. */
export function queryWords(query: string): string[] {
  const found: string[] = [];
  for (const word of query.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []) found.push(...camelParts(word));
  return [...new Set(found.map(indexed))].filter((word) => word !== "");
}

/** A text without accents, in lower case. */
export function fold(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();
}

function indexed(word: string): string {
  return fold(word).slice(0, LONGEST);
}

/** "HTTPServerV2" to HTTP, Server, V2. */
function camelParts(word: string): string[] {
  return word.split(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u);
}
