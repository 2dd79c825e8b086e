import { stripVTControlCharacters } from "node:util";

/** Characters of a line that are kept. */
const MOST_CHARACTERS = 2_000;

/** Cuts a program's output into lines that are safe to show in a terminal and on a page. */
export class OutputLines {
  readonly #decoder = new TextDecoder("utf-8");
  #rest = "";

  /** The lines that are whole with this chunk. */
  take(chunk: Uint8Array): string[] {
    const pieces = `${this.#rest}${this.#decoder.decode(chunk, { stream: true })}`.split(/\r?\n/);
    // A line without end is not kept in memory.
    this.#rest = (pieces.pop() ?? "").slice(0, 4 * MOST_CHARACTERS);
    return pieces.map(clean);
  }

  /** The last line, when it has no end. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [clean(rest)];
  }
}

/** Without control sequences, which could rewrite a reader's terminal, and not too long. */
export function clean(line: string): string {
  // What a progress display wrote over is left out.
  const last = line.replace(/\r+$/, "").split("\r").at(-1) ?? "";
  const text = stripVTControlCharacters(last)
    .replaceAll("\t", "  ")
    .replace(/\p{Cc}|\p{Cs}|[\u202A-\u202E\u2066-\u2069]/gu, "");
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS)} … (${text.length - MOST_CHARACTERS} more characters)`;
}
