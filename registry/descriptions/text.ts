/*
 * Characters that make a text lie about itself: control characters, and those that turn the direction of writing (the attack of
 * "Trojan Source", CVE-2021-42574). Marks that right-to-left languages need (U+200E, U+200F, U+061C) turn nothing.
 */
const HARMFUL = /(?![\t\r\n])\p{Cc}|[\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/u;

/**
 * What is wrong with a text that people read, or undefined.
 *
 * @param lines - It may have several lines and tabs.
 */
export function textFault(value: string, lines: boolean): string | undefined {
  if (!value.isWellFormed()) return "holds half of a character (a lone surrogate)";
  const harmful = HARMFUL.exec(value)?.[0] ?? (lines ? undefined : /[\t\r\n\u2028\u2029]/.exec(value)?.[0]);
  if (harmful === undefined) return undefined;
  const code = `U+${harmful.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  const at = value.indexOf(harmful) + 1;
  if (/[\t\r\n\u2028\u2029]/.test(harmful))
    return `holds a line break or tab (${code}) at character ${at}; it must be one line`;
  const kind =
    harmful.charCodeAt(0) < 0xa0 ? "a control character" : "a character that turns the direction of writing";
  return `holds ${kind} (${code}) at character ${at}; take it out`;
}
