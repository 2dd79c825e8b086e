/** Something with a place on the line. */
export interface Placed {
  readonly start: number;
  readonly end: number;
}

/**
 * Puts each item into the first lane where it touches no other one.
 *
 * @param items by their start.
 * @param width bases that an item takes up at least, with its label.
 */
export function lanesOf<T extends Placed>(items: readonly T[], width: (item: T) => number): number[] {
  const ends: number[] = [];
  return items.map((item) => {
    const free = ends.findIndex((end) => end < item.start);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = item.start + Math.max(item.end - item.start + 1, width(item));
    return lane;
  });
}
