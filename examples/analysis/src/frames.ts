import type { Frame, Region } from "../gen/analysis/v1/analysis.ts";

/** What the frames are like together. */
export interface FramesSummary {
  readonly frames: number;
  readonly annotated: number;
  /** Amino acids. */
  readonly longest: number;
  /** Share of the region's bases within annotated frames. */
  readonly coding: number;
}

export function sumUpFrames(frames: readonly Frame[], region: Region): FramesSummary {
  const annotated = frames.filter((frame) => frame.annotated.length > 0);
  const length = Math.max(1, region.end - region.start + 1);
  return {
    frames: frames.length,
    annotated: annotated.length,
    longest: Math.max(0, ...frames.map(({ protein }) => protein.length)),
    coding: covered(annotated) / length,
  };
}

/** Bases that lie in one frame or more. */
function covered(frames: readonly Frame[]): number {
  let bases = 0;
  let last = 0;
  for (const { start, end } of frames.toSorted((a, b) => a.start - b.start)) {
    bases += Math.max(0, end - Math.max(start, last + 1) + 1);
    last = Math.max(last, end);
  }
  return bases;
}

/** The table that the report puts out. */
export function framesCsv(frames: readonly Frame[]): string {
  const rows = frames.map(({ start, end, reverse, protein, annotated }) =>
    [start, end, reverse ? "-" : "+", protein.length, quoted(annotated.join(" "))].join(","),
  );
  return `${["start,end,strand,amino_acids,genes", ...rows].join("\n")}\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
