/** A piece of a line in one style. */
export interface Piece {
  readonly text: string;
  /** Classes such as "ansi-red ansi-bold"; "": plain. */
  readonly style: string;
}

const colors = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them.
const escapes = /\u001b(?:\[([0-9;:?]*)([ -/]*[@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_]?)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Splits a line of a terminal's output into pieces with their colours. All other sequences (cursor, title, links) and
 * control characters are taken out, also those that change the direction of text: a log must not lie about what it says.
 */
export function ansiPieces(line: string): Piece[] {
  const pieces: Piece[] = [];
  const style: Style = { color: "", bold: false, dim: false };
  let from = 0;
  const take = (text: string) => {
    const clean = text.replace(controls, "");
    if (clean === "") return;
    const classes = [style.color, style.bold ? "ansi-bold" : "", style.dim ? "ansi-dim" : ""];
    pieces.push({ text: clean, style: classes.filter((one) => one !== "").join(" ") });
  };
  for (const match of line.matchAll(escapes)) {
    take(line.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") apply(style, match[1] ?? "");
  }
  take(line.slice(from));
  return pieces;
}

interface Style {
  color: string;
  bold: boolean;
  dim: boolean;
}

function apply(style: Style, parameters: string): void {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(style, { color: "", bold: false, dim: false });
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 22) Object.assign(style, { bold: false, dim: false });
    else if (code === 39) style.color = "";
    else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4;
    else if (code >= 30 && code <= 37) style.color = `ansi-${colors[code - 30]}`;
    else if (code >= 90 && code <= 97) style.color = `ansi-${colors[code - 90]}`;
  }
}
