/** A line of a text, with its number from 1. */
export interface DiffLine {
  readonly line: number;
  readonly text: string;
}

/** A row of two texts side by side; a side that has nothing there is undefined. */
export interface DiffRow {
  readonly kind: "same" | "changed";
  readonly left: DiffLine | undefined;
  readonly right: DiffLine | undefined;
}

/** Beyond so many edits the rest is shown as replaced, so that two strange texts do not hold up the page. */
const MOST_EDITS = 1_000;

/**
 * Two texts side by side, by the shortest script of removed and added lines.
 *
 * Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986), section 3.
 */
export function diffRows(left: string, right: string): DiffRow[] {
  const a = left.split("\n");
  const b = right.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) [endA, endB] = [endA - 1, endB - 1];
  const pairs = [
    ...same(0, 0, start),
    ...matches(a.slice(start, endA), b.slice(start, endB)).map(([x, y]): Pair => [x + start, y + start]),
    ...same(endA, endB, a.length - endA),
  ];
  return rowsOf(a, b, pairs);
}

/** Indexes of equal lines. */
type Pair = readonly [number, number];

function same(x: number, y: number, length: number): Pair[] {
  return Array.from({ length }, (_, index): Pair => [x + index, y + index]);
}

/** The lines that stay, in order. */
function matches(a: readonly string[], b: readonly string[]): Pair[] {
  const trace: Map<number, number>[] = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, MOST_EDITS); d++) {
    trace.push(reach);
    reach = new Map(reach);
    for (let k = -d; k <= d; k += 2) {
      let x = goesDown(reach, d, k) ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return wayBack(trace, a.length, b.length);
    }
  }
  return [];
}

function goesDown(reach: ReadonlyMap<number, number>, d: number, k: number): boolean {
  return k === -d || (k !== d && (reach.get(k - 1) ?? 0) < (reach.get(k + 1) ?? 0));
}

function wayBack(trace: readonly ReadonlyMap<number, number>[], endX: number, endY: number): Pair[] {
  const pairs: Pair[] = [];
  let [x, y] = [endX, endY];
  for (let d = trace.length - 1; d >= 0; d--) {
    const reach = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const before = goesDown(reach, d, k) ? k + 1 : k - 1;
    const beforeX = reach.get(before) ?? 0;
    const beforeY = beforeX - before;
    while (x > beforeX && y > beforeY && x > 0 && y > 0) {
      [x, y] = [x - 1, y - 1];
      pairs.push([x, y]);
    }
    [x, y] = [beforeX, Math.max(beforeY, 0)];
  }
  return pairs.reverse();
}

/** Removed and added lines between two that stay stand beside each other. */
function rowsOf(a: readonly string[], b: readonly string[], pairs: readonly Pair[]): DiffRow[] {
  const rows: DiffRow[] = [];
  const line = (texts: readonly string[], index: number, end: number): DiffLine | undefined =>
    index < end ? { line: index + 1, text: texts[index] ?? "" } : undefined;
  let [x, y] = [0, 0];
  const upTo = (endX: number, endY: number) => {
    while (x < endX || y < endY) {
      rows.push({ kind: "changed", left: line(a, x, endX), right: line(b, y, endY) });
      [x, y] = [Math.min(x + 1, endX), Math.min(y + 1, endY)];
    }
  };
  for (const [px, py] of pairs) {
    upTo(px, py);
    rows.push({ kind: "same", left: line(a, px, px + 1), right: line(b, py, py + 1) });
    [x, y] = [px + 1, py + 1];
  }
  upTo(a.length, b.length);
  return rows;
}
