/** A table as it was read. */
export interface Table {
  readonly rows: readonly (readonly string[])[];
  /** There are more rows than these. */
  readonly more: boolean;
}

/**
 * Reads comma or tab separated values by RFC 4180; what breaks its rules is taken as it is written. Empty lines are left out.
 *
 * @param most rows to read.
 */
export function readTable(text: string, separator: "," | "\t", most: number): Table {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  /** @returns whether there is room for another row. */
  const endRow = () => {
    row.push(field);
    field = "";
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    return rows.length < most;
  };
  while (at < text.length) {
    const char = text[at] ?? "";
    if (char === '"' && field === "") {
      const end = closingQuote(text, at + 1);
      field = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
      // What stands behind the closing quote belongs to the field as well.
      while (at < text.length && !isEnd(text[at] ?? "", separator)) field += text[at++];
    } else if (char === separator) {
      row.push(field);
      field = "";
      at++;
    } else if (char === "\n" || char === "\r") {
      at += char === "\r" && text[at + 1] === "\n" ? 2 : 1;
      if (!endRow()) return { rows, more: at < text.length };
    } else {
      field += char;
      at++;
    }
  }
  if (field !== "" || row.length > 0) endRow();
  return { rows, more: false };
}

function isEnd(char: string, separator: string): boolean {
  return char === separator || char === "\n" || char === "\r";
}

/** Where the quoted field ends; the text's end where it is never closed. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at)) {
    if (text[at + 1] !== '"') return at;
    at += 2;
  }
  return text.length;
}

/** True for what stands best at the right of its column. */
export function isNumeric(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}
