import type { Match } from "#proto/rouse/catalog/v1/catalog.ts";
import type { Piece } from "./document.ts";
import { fold, words } from "./words.ts";

/** Matches of one hit that are told; one more place is seldom of use. */
const MOST_MATCHES = 4;
/** Characters of text around a match. */
const BEFORE = 40;
const LENGTH = 160;

/** Where a service's texts have words that begin with one of those wanted, best places first, each with the text around. */
export function matchesOf(pieces: readonly Piece[], wanted: readonly string[]): Match[] {
  const matches: Match[] = [];
  const places = new Set<string>();
  for (const { where, text } of pieces) {
    if (matches.length >= MOST_MATCHES) break;
    if (places.has(where)) continue;
    const word = firstWord(text, wanted);
    if (word === undefined) continue;
    places.add(where);
    matches.push({ where, text: around(text, word) });
  }
  return matches;
}

function firstWord(text: string, wanted: readonly string[]): string | undefined {
  const folded = fold(text);
  // Cheap, and nearly always the answer: most texts hold none of the words.
  if (!wanted.some((word) => folded.includes(word))) return undefined;
  return words(text).find((own) => wanted.some((word) => own.startsWith(word)));
}

/** One line of the text around a word. */
function around(text: string, word: string): string {
  const line = text.replace(/\s+/gu, " ").trim();
  if (line.length <= LENGTH) return line;
  // Accents may change lengths, so that this place is only near; for a piece of text that is enough.
  const at = Math.max(0, fold(line).indexOf(word));
  const begin = at <= BEFORE ? 0 : wordStart(line, at - BEFORE);
  const piece = line.slice(begin, begin + LENGTH);
  const end = begin + LENGTH < line.length ? piece.replace(/\s+\S*$/u, "") : piece;
  return `${begin > 0 ? "…" : ""}${end}${begin + LENGTH < line.length ? "…" : ""}`.toWellFormed();
}

function wordStart(text: string, from: number): number {
  const space = text.indexOf(" ", from);
  return space === -1 || space > from + BEFORE ? from : space + 1;
}
