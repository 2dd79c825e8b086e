import { type View, within } from "./view.ts";

/** A reference by name and length. */
export interface Named {
  readonly name: string;
  readonly length: number;
}

/** What was typed: a place to go to, a name to look for, or why it is neither. */
export type Location =
  | { kind: "place"; reference: Named; view: View }
  | { kind: "name"; name: string }
  | { kind: "error"; message: string };

/**
 * Reads what genome browsers let their users type: "chr1", "chr1:1,000-2,000", "chr1:1500", "1000..2000" on the current
 * reference, or the name of a feature.
 */
export function parseLocation(text: string, references: readonly Named[], current: Named): Location {
  const typed = text.trim().replaceAll(",", "");
  const whole = references.find(({ name }) => name === typed);
  if (whole !== undefined) return place(whole, 1, whole.length);
  // The last colon: names of references may have some.
  const [, name, from, to] = /^(?:(.+):)?(\d+)(?:(?:-|\.\.)(\d+))?$/.exec(typed) ?? [];
  if (from === undefined)
    return typed === ""
      ? error(`Type a place such as ${current.name}:1-1000, or a gene.`)
      : { kind: "name", name: text.trim() };
  const reference = name === undefined ? current : references.find((one) => one.name === name);
  if (reference === undefined)
    return error(
      `There is no reference "${name}"; there is ${references
        .slice(0, 3)
        .map((r) => r.name)
        .join(", ")}.`,
    );
  const start = Number(from);
  const end = to === undefined ? start : Number(to);
  if (start < 1 || end > reference.length || start > end)
    return error(
      `${reference.name} goes from 1 to ${reference.length}; ${start}-${end} is not a part of it.`,
    );
  return to === undefined ? place(reference, start - 50, end + 50) : place(reference, start, end);
}

/** How a view is written. */
export function formatLocation(reference: string, start: number, end: number): string {
  return `${reference}:${start.toLocaleString("en")}-${end.toLocaleString("en")}`;
}

function place(reference: Named, start: number, end: number): Location {
  const view = within({ length: reference.length, start: start - 1, span: end - start + 1 });
  return { kind: "place", reference, view };
}

function error(message: string): Location {
  return { kind: "error", message };
}
