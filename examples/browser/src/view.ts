/** What part of a reference is to be seen. Positions are those of base edges: base 1 lies from 0 to 1. */
export interface View {
  /** Bases of the reference. */
  readonly length: number;
  /** Left edge. */
  readonly start: number;
  /** Bases from the left to the right edge. */
  readonly span: number;
}

const leastSpan = 20;

/** The nearest view that lies within the reference. */
export function within({ length, start, span }: View): View {
  const least = Math.min(leastSpan, length);
  const fitting = Math.min(Math.max(span, least), length);
  return { length, span: fitting, start: Math.min(Math.max(start, 0), length - fitting) };
}

/** Zooms so that what lies at `at` (0: left edge, 1: right edge) stays there. @param factor below 1: closer. */
export function zoom(view: View, factor: number, at = 0.5): View {
  const span = Math.min(Math.max(view.span * factor, Math.min(leastSpan, view.length)), view.length);
  return within({ ...view, span, start: view.start + (view.span - span) * at });
}

/** Moves by a part of the view; positive: to the right. */
export function pan(view: View, part: number): View {
  return within({ ...view, start: view.start + part * view.span });
}

/** First and last base of which something is to be seen, from 1. */
export function basesOf(view: View): { start: number; end: number } {
  return {
    start: Math.floor(view.start) + 1,
    end: Math.min(view.length, Math.max(Math.ceil(view.start + view.span), Math.floor(view.start) + 1)),
  };
}

/** Pixel of a base edge. */
export function pixelOf(view: View, edge: number, width: number): number {
  return ((edge - view.start) / view.span) * width;
}

/** Bases at which a ruler has its marks: 1, 2 or 5 times a power of ten apart, and at least `gap` pixels. */
export function ticks(view: View, width: number, gap = 90): number[] {
  const least = (view.span / width) * gap;
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= least) ?? 10 * power;
  const { start, end } = basesOf(view);
  const marks: number[] = [];
  for (let mark = Math.ceil(start / step) * step; mark <= end; mark += step) marks.push(mark);
  return marks;
}
