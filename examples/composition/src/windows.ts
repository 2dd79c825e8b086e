import type { Window } from "../gen/composition/v1/composition.ts";

/** Where windows lie: the first begins at `start`, each next one `step` later; the last may be shorter. */
export interface WindowPlan {
  readonly start: number;
  readonly end: number;
  readonly window: number;
  readonly step: number;
}

/** Starts and ends of all windows; a window that adds no base to the one before is left out. */
export function* windowsOf({
  start,
  end,
  window,
  step,
}: WindowPlan): Generator<{ start: number; end: number }> {
  for (let from = start; from <= end; from += step) {
    const to = Math.min(from + window - 1, end);
    yield { start: from, end: to };
    if (to === end) return;
  }
}

/**
 * GC content, and GC skew (G − C) / (G + C) (Lobry, Mol. Biol. Evol. 13 (1996) 660–665), of bases in either case. Letters
 * other than A, C, G and T do not count.
 */
export function composition(start: number, residues: string): Window {
  let [gc, c, at] = [0, 0, 0];
  for (let i = 0; i < residues.length; i++) {
    const letter = residues.charCodeAt(i) & 0xdf;
    if (letter === 67) c++;
    if (letter === 67 || letter === 71) gc++;
    else if (letter === 65 || letter === 84) at++;
  }
  return {
    start,
    end: start + residues.length - 1,
    gc: gc + at === 0 ? undefined : gc / (gc + at),
    skew: gc === 0 ? undefined : (gc - 2 * c) / gc,
  };
}
