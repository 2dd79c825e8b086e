import type { Manifest } from "../../registry/manifest.ts";
import { rareWordOf } from "./sample.ts";

/** What somebody searches for. */
export interface Question {
  readonly kind: string;
  readonly query: string;
  /** The service that they mean; undefined: many are as good. */
  readonly wanted?: string;
}

/**
 * Questions as people ask them, about services spread over the catalog.
 *
 * @param count Of each kind.
 * @param seed Other questions for another number.
 */
export function questionsOf(manifests: readonly Manifest[], count: number, seed: number): Question[] {
  const step = Math.max(1, Math.floor(manifests.length / count));
  const chosen = manifests.filter((_, number) => number % step === seed % step).slice(0, count);
  return chosen.flatMap((manifest, number) => {
    const wanted = manifest.service;
    const short = wanted.slice(wanted.lastIndexOf(".") + 1);
    const parts = (short.match(/[A-Z][a-z]+/g) ?? []).slice(0, -1).map((part) => part.toLowerCase());
    const method = manifest.methods[number % manifest.methods.length]?.name ?? "";
    const rare = rareWordOf(manifest);
    const all: Question[] = [
      { kind: "full name", query: wanted, wanted },
      { kind: "words of a name", query: parts.slice(0, 2).join(" ") },
      { kind: "beginning of a word", query: (parts[0] ?? "").slice(0, 3) },
      { kind: "method", query: method },
      { kind: "rare word", query: rare, wanted },
      { kind: "rare word with a typo", query: mistyped(rare, number), wanted },
      {
        kind: "name's words with typos",
        query: parts
          .slice(0, 2)
          .map((part) => mistyped(part, number))
          .join(" "),
      },
      { kind: "words that all have", query: "sequence alignment feature" },
      {
        kind: "a sentence",
        query: `how do I ${parts[2] ?? ""} the ${parts[1] ?? ""} of a ${parts[0] ?? ""}`,
      },
      { kind: "nothing like it", query: `zzyzx${number}qq` },
    ];
    return all.filter(({ query }) => query !== "");
  });
}

/** Two neighbours swapped, a letter left out, or another one. */
function mistyped(word: string, number: number): string {
  const at = 1 + (number % Math.max(1, word.length - 2));
  const [before, here, next, after] = [
    word.slice(0, at),
    word[at] ?? "",
    word[at + 1] ?? "",
    word.slice(at + 2),
  ];
  if (number % 3 === 0) return before + next + here + after;
  return number % 3 === 1 ? before + next + after : `${before}x${next}${after}`;
}
