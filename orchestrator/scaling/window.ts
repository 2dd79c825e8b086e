/** A window has so many buckets at most, however long it is. */
const MOST_BUCKETS = 60;
/** Load is reported each second: a bucket is not shorter, ms. */
const LEAST_BUCKET_MS = 1_000;

interface Bucket {
  sum: number;
  count: number;
  most: number;
}

/**
 * Values of the latest span of time, in buckets: bounded memory, whatever is added how often. Knative's autoscaler keeps its
 * metrics so as well (pkg/autoscaler/aggregation/bucketing.go in knative.dev/serving).
 */
export class Window {
  readonly #spanMs: number;
  readonly #bucketMs: number;
  /** By number of the bucket since 1970. */
  readonly #buckets = new Map<number, Bucket>();

  /** @param spanMs Length of the window, ms. */
  constructor(spanMs: number) {
    this.#spanMs = spanMs;
    this.#bucketMs = Math.max(LEAST_BUCKET_MS, spanMs / MOST_BUCKETS);
  }

  add(value: number, atMs: number): void {
    this.#forget(atMs);
    const number = Math.floor(atMs / this.#bucketMs);
    const bucket = this.#buckets.get(number) ?? { sum: 0, count: 0, most: 0 };
    bucket.sum += value;
    bucket.count += 1;
    bucket.most = Math.max(bucket.most, value);
    this.#buckets.set(number, bucket);
  }

  /** Mean of the values in the window that ends at `nowMs`; undefined when there is none. */
  mean(nowMs: number): number | undefined {
    this.#forget(nowMs);
    let sum = 0;
    let count = 0;
    for (const bucket of this.#buckets.values()) {
      sum += bucket.sum;
      count += bucket.count;
    }
    return count === 0 ? undefined : sum / count;
  }

  /** Greatest value in the window that ends at `nowMs`; undefined when there is none. */
  most(nowMs: number): number | undefined {
    this.#forget(nowMs);
    let most: number | undefined;
    for (const bucket of this.#buckets.values()) most = Math.max(most ?? bucket.most, bucket.most);
    return most;
  }

  /** What is older than the window goes, and what lies in the future since the clock was set back. */
  #forget(nowMs: number): void {
    const newest = Math.floor(nowMs / this.#bucketMs);
    const oldest = Math.floor((nowMs - this.#spanMs) / this.#bucketMs);
    for (const number of this.#buckets.keys()) {
      if (number <= oldest || number > newest) this.#buckets.delete(number);
    }
  }
}
