/*
 * After Unicode TR39 (https://www.unicode.org/reports/tr39/#Confusable_Detection), with the part of its table that concerns
 * ASCII and the Cyrillic and Greek letters that look like Latin ones; and, what TR39 leaves alone, without regard to case.
 */

/** Letters that look like Latin ones. */
const LOOKS: Readonly<Record<string, string>> = Object.fromEntries(
  [
    // Cyrillic
    ["АВЕЅІЈКМНОРСТУХаеосрхуіјѕһԁԛԝв", "ABESIJKMHOPCTYXaeocpxyijshdqwb"],
    ["кмнтгзбъьӏҮүё", "kmhtr3bbbIYye"],
    // Greek
    ["ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχγη", "ABEZHIKMNOPTYXaiKvoptuxyn"],
    // Armenian, Cherokee-like and other lone letters
    ["օսհոԼɡɑıȷℓ", "ouhnLgaijl"],
  ].flatMap(([from = "", to = ""]) => {
    const letters = [...to];
    return [...from].map((letter, at) => [letter, letters[at] ?? letter] as const);
  }),
);

/**
 * The look of a name: two names with the same one can be taken for each other ("acme1", "acmeI" and "ACMEl"; "a__b" and "a_b";
 * "corn" and "com" in many fonts).
 */
export function lookOf(name: string): string {
  const plain = name.normalize("NFKD").replace(/\p{M}|\p{Cf}/gu, "");
  return [...plain]
    .map((letter) => LOOKS[letter] ?? letter)
    .join("")
    .replace(/[I1|]/g, "l")
    .toLowerCase()
    .replace(/0/g, "o")
    .replace(/5/g, "s")
    .replace(/rn/g, "m")
    .replace(/vv/g, "w")
    .replace(/[_\-\s‐-―]+/g, "_");
}

/** All looks that a name takes: its own, and that of its lower case ("API" and "Api" are one). */
export function looksOf(name: string): string[] {
  return [...new Set([lookOf(name), lookOf(name.toLowerCase())])];
}
