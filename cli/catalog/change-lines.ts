import { type Change, Change_Kind } from "#proto/rouse/catalog/v1/catalog.ts";
import { styled, terminalWidth, wrap } from "./text.ts";

const SIGNS = {
  [Change_Kind.UNSPECIFIED]: " ",
  [Change_Kind.ADDED]: "+",
  [Change_Kind.REMOVED]: "-",
  [Change_Kind.CHANGED]: "~",
} as const;

/** What differs between two versions: a line for each, what breaks callers first, and below it the two texts. */
export function changeLines(changes: readonly Change[], width = terminalWidth()): string[] {
  const sorted = [...changes].sort((a, b) => Number(b.breaking) - Number(a.breaking));
  return sorted.flatMap(({ kind, subject, from, to, breaking }) => {
    const head = `${SIGNS[kind]} ${subject}${breaking ? "  BREAKING" : ""}`;
    const texts =
      kind === Change_Kind.CHANGED
        ? [...wrap(`- ${from}`, "    ", width), ...wrap(`+ ${to}`, "    ", width)]
        : wrap(from || to, "    ", width).filter((line) => line.trim() !== subject);
    const colour = breaking ? "red" : kind === Change_Kind.ADDED ? "green" : "yellow";
    return [styled(colour, head), ...texts];
  });
}

/** One sentence on all changes. */
export function changeSummary(changes: readonly Change[]): string {
  if (changes.length === 0) return "The contracts are the same.";
  const breaking = changes.filter((change) => change.breaking).length;
  if (changes.length === 1)
    return `1 difference, which ${breaking === 1 ? "may break" : "breaks no"} callers.`;
  const many = `${changes.length} differences`;
  return breaking === 0 ? `${many}; none breaks callers.` : `${many}; ${breaking} may break callers.`;
}
