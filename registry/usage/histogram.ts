/*
 * Latencies as exponential histograms of scale 3 (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram):
 * bucket i holds (base^i, base^(i+1)] seconds with base = 2^(1/8), so that buckets are 9 % apart. Summing two is exact.
 */

const PER_OCTAVE = 8;
/** Buckets that are kept apart: 0.2 µs to 25 hours. What is outside counts in the nearest one. */
const LOWEST = -180;
const HIGHEST = 131;

/** How many values are in each bucket, by its index. */
export type Buckets = Map<number, number>;

/** The bucket of a duration in ms. */
export function bucketOf(ms: number): number {
  if (!(ms > 0)) return LOWEST;
  return within(Math.ceil(Math.log2(ms / 1_000) * PER_OCTAVE) - 1);
}

/**
 * The bucket of ours that a bucket of another scale lies in, or, for a coarser one, its middle does.
 *
 * @param scale 2^scale buckets per octave.
 */
export function rescaled(index: number, scale: number): number {
  if (scale >= 3) return within(Math.floor(index / 2 ** (scale - 3)));
  return within(Math.floor((index + 0.5) * 2 ** (3 - scale)));
}

/** Upper end of a bucket, ms. */
export function upperMs(index: number): number {
  return 1_000 * 2 ** ((index + 1) / PER_OCTAVE);
}

export function addBuckets(to: Buckets, from: Iterable<readonly [number, number]>): void {
  for (const [index, count] of from) if (count > 0) to.set(index, (to.get(index) ?? 0) + count);
}

/** The value below which a share of all lies, ms; 0 without any. */
export function quantileMs(buckets: Buckets, share: number): number {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  let left = share * total;
  for (const [index, count] of sorted) {
    if (left <= count) return 1_000 * 2 ** ((index + left / count) / PER_OCTAVE);
    left -= count;
  }
  return 0;
}

export function packBuckets(buckets: Buckets): string {
  return JSON.stringify([...buckets]);
}

export function unpackBuckets(text: string): Buckets {
  return new Map(JSON.parse(text) as [number, number][]);
}

function within(index: number): number {
  return Math.min(HIGHEST, Math.max(LOWEST, index));
}
