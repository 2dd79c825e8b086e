/**
 * Regular expressions (RE2 and JavaScript alike) for "a number up to n" and "a prerelease up to p" in semver's order,
 * so that Envoy itself can tell which range specs a version satisfies: https://semver.org/#spec-item-11
 */

const number = "(?:0|[1-9]\\d*)";
const identifier = `(?:${number}|\\d*[a-zA-Z-][a-zA-Z0-9-]*)`;
const alphanumeric = "[0-9A-Za-z-]";

/** All numbers without leading zeros from 0 to n. */
export function upTo(n: number): string {
  const digits = String(n);
  const options = [digits];
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[i]);
    // The digit at i is smaller, what follows is free; the first digit is 0 only in the number 0.
    const least = i === 0 && digits.length > 1 ? 1 : 0;
    if (digit - 1 >= least) {
      options.push(`${digits.slice(0, i)}[${least}-${digit - 1}]${free(digits.length - 1 - i)}`);
    }
  }
  if (digits.length === 2) options.push("\\d");
  if (digits.length > 2) options.push("\\d", `[1-9]\\d{1,${digits.length - 2}}`);
  return `(?:${options.join("|")})`;
}

function free(count: number): string {
  return count === 0 ? "" : `\\d{${count}}`;
}

/** All `a.b` with (a, b) up to (major, minor) in order; b may be absent from the text when `partial`. */
export function pairUpTo(a: number, b: number, partial: boolean): string {
  const exact = partial ? `${a}(?:\\.${upTo(b)})?` : `${a}\\.${upTo(b)}`;
  if (a === 0) return `(?:${exact})`;
  const below = partial ? `${upTo(a - 1)}(?:\\.${number})?` : `${upTo(a - 1)}\\.${number}`;
  return `(?:${exact}|${below})`;
}

/** An optional prerelease, any. */
export const anyPrerelease = `(?:-${identifier}(?:\\.${identifier})*)?`;

/** All prereleases (without the hyphen) up to the given one. */
export function prereleaseUpTo(prerelease: string): string {
  const parts = prerelease.split(".");
  const options = [escaped(prerelease)];
  parts.forEach((part, i) => {
    const before = parts
      .slice(0, i)
      .map((text) => `${escaped(text)}\\.`)
      .join("");
    const below = identifierBelow(part);
    if (below !== undefined) options.push(`${before}${below}(?:\\.${identifier})*`);
    if (i > 0) options.push(parts.slice(0, i).map(escaped).join("\\."));
  });
  return `(?:${options.join("|")})`;
}

/** Identifiers that come before this one; numbers come before words, words are in the order of ASCII. */
function identifierBelow(part: string): string | undefined {
  if (/^\d+$/.test(part)) return part === "0" ? undefined : upTo(Number(part) - 1);
  const options = [number];
  for (let i = 0; i < part.length; i++) {
    const head = part.slice(0, i);
    const smaller = charactersBelow(part[i] ?? "");
    if (smaller !== "") options.push(word(head, smaller));
    if (i > 0 && /[A-Za-z-]/.test(head)) options.push(escaped(head));
  }
  return `(?:${options.join("|")})`;
}

/** `head`, one of the characters, then anything: but never digits alone, for these are a number. */
function word(head: string, characters: string): string {
  if (/[A-Za-z-]/.test(head)) return `${escaped(head)}[${characters}]${alphanumeric}*`;
  const letters = characters.replace(/\d/g, "");
  const digits = characters.replace(/\D/g, "");
  const options: string[] = [];
  if (letters !== "") options.push(`[${letters}]${alphanumeric}*`);
  if (digits !== "") options.push(`[${digits}]\\d*[A-Za-z-]${alphanumeric}*`);
  return `${escaped(head)}(?:${options.join("|")})`;
}

/** For a character class: the hyphen, first in ASCII, stands first. */
function charactersBelow(character: string): string {
  const all = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return all.slice(0, all.indexOf(character));
}

function escaped(text: string): string {
  return text.replace(/[.\\+*?[\](){}|^$]/g, "\\$&");
}
