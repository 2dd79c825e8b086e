import { composition, windowsOf } from "@rouse-examples/composition/windows";
import { RouseError } from "rouse/errors";
import type { WindowsRequest, WindowsResponse } from "../gen/analysis/v1/analysis.ts";

/** GC of one window; undefined where it has none of the four letters. */
export interface WindowRow {
  readonly start: number;
  readonly end: number;
  readonly gc: number | undefined;
  readonly skew: number | undefined;
}

/**
 * GC content and skew along a region. The last window is up to half longer or shorter than the others.
 *
 * @throws RouseError INVALID_ARGUMENT WINDOW_INVALID, RESIDUES_INVALID.
 */
export function windowRows({ region, residues, window, step }: WindowsRequest): WindowRow[] {
  const start = region?.start || 1;
  const end = start + residues.length - 1;
  const wide = window || 500;
  if (wide < 10 || wide > 1_000_000)
    throw new RouseError("INVALID_ARGUMENT", `window is ${window}; choose 10 to 1,000,000 bases.`, {
      reason: "WINDOW_INVALID",
    });
  if (residues === "" || (region !== undefined && region.end !== 0 && region.end !== end))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `There are ${residues.length} bases for the region ${start}-${region?.end ?? end}: give region and residues of one and the same answer of the genome service.`,
      { reason: "RESIDUES_INVALID" },
    );
  const places = [...windowsOf({ start, end, window: wide, step: step || wide })];
  const last = places.at(-1);
  // A few bases at the end would stand out by chance: they belong to the window before.
  if (last !== undefined && places.length > 1 && last.end - last.start + 1 < wide / 2) {
    places.pop();
    places[places.length - 1] = { start: places.at(-1)?.start ?? start, end };
  }
  return places.map((place) => {
    const { gc, skew } = composition(place.start, residues.slice(place.start - start, place.end - start + 1));
    return { ...place, gc, skew };
  });
}

/** What they are like, beside the GC content of the whole. */
export function sumUp(rows: readonly WindowRow[], residues: string): WindowsResponse {
  const known = rows.flatMap(({ start, end, gc }) => (gc === undefined ? [] : [{ start, end, gc }]));
  const byGc = known.toSorted((a, b) => a.gc - b.gc);
  return {
    windows: rows.length,
    gc: composition(1, residues).gc ?? 0,
    lowest: byGc[0],
    highest: byGc.at(-1),
  };
}

/** The table that the job puts out; empty where a window has none of the four letters. */
export function windowsCsv(rows: readonly WindowRow[]): string {
  const cell = (value: number | undefined) => value?.toFixed(4) ?? "";
  const lines = rows.map(({ start, end, gc, skew }) => `${start},${end},${cell(gc)},${cell(skew)}`);
  return `${["start,end,gc,skew", ...lines].join("\n")}\n`;
}

/**
 * Reads that table again.
 *
 * @throws RouseError INVALID_ARGUMENT WINDOWS_TABLE_INVALID with the line.
 */
export function readWindowsCsv(text: string): WindowRow[] {
  return text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line, index) => {
      const [start, end, gc, skew] = line.split(",").map((cell) => (cell === "" ? undefined : Number(cell)));
      if (!(Number.isInteger(start) && Number.isInteger(end)) || [gc, skew].some(Number.isNaN))
        throw new RouseError(
          "INVALID_ARGUMENT",
          `Line ${index + 2} of the input "windows" is ${JSON.stringify(line.slice(0, 60))}; give the output windows.csv of the job Windows.`,
          { reason: "WINDOWS_TABLE_INVALID" },
        );
      return { start: start ?? 0, end: end ?? 0, gc, skew };
    });
}
