/** Buckets per octave of the latency histogram: 9 % apart, an exponential histogram of scale 3 in OpenTelemetry's terms. */
export const SCALE = 3;
/** Different callers that are told apart by one server; more count as "other". */
const MOST_CALLERS = 64;
/** Callers that send no name come from outside of the mesh. */
export const OUTSIDE = "outside";
const LOWEST = -180;
const HIGHEST = 131;

/** Calls of one method by one caller that ended with one status, since the server started. */
export interface CallSum {
  readonly method: string;
  readonly caller: string;
  /** gRPC status number. */
  readonly code: number;
  calls: number;
  seconds: number;
  /** Calls by bucket, from bucket {@link LOWEST} on: (2^(i/8), 2^((i+1)/8)] seconds. */
  readonly buckets: Uint32Array;
}

/** Counts a server's calls; costs each less than a microsecond. */
export class CallCounts {
  /** When the counting began, nanoseconds since 1970. */
  readonly startNanos = BigInt(Date.now()) * 1_000_000n;
  readonly #sums = new Map<string, Map<string, (CallSum | undefined)[]>>();
  readonly #callers = new Set<string>();
  /** Calls in all. */
  total = 0;

  /** @param ms how long it took; @param caller name of the calling service, undefined: none said. */
  add(method: string, caller: string | undefined, code: number, ms: number): void {
    this.total += 1;
    const sum = this.#sum(method, this.#known(caller ?? OUTSIDE), code);
    sum.calls += 1;
    sum.seconds += ms / 1_000;
    const bucket = ms > 0 ? Math.ceil(Math.log2(ms / 1_000) * 2 ** SCALE) - 1 : LOWEST;
    const at = Math.min(HIGHEST, Math.max(LOWEST, bucket)) - LOWEST;
    sum.buckets[at] = (sum.buckets[at] ?? 0) + 1;
  }

  *sums(): Generator<CallSum> {
    for (const callers of this.#sums.values())
      for (const codes of callers.values()) for (const sum of codes) if (sum !== undefined) yield sum;
  }

  #sum(method: string, caller: string, code: number): CallSum {
    let callers = this.#sums.get(method);
    if (callers === undefined) {
      callers = new Map();
      this.#sums.set(method, callers);
    }
    let codes = callers.get(caller);
    if (codes === undefined) {
      codes = [];
      callers.set(caller, codes);
    }
    let sum = codes[code];
    if (sum === undefined) {
      sum = { method, caller, code, calls: 0, seconds: 0, buckets: new Uint32Array(HIGHEST - LOWEST + 1) };
      codes[code] = sum;
    }
    return sum;
  }

  #known(caller: string): string {
    if (this.#callers.has(caller)) return caller;
    if (this.#callers.size >= MOST_CALLERS || caller.length > 256) return "other";
    this.#callers.add(caller);
    return caller;
  }
}

/** Index of the first bucket with a call, and the counts from there to the last one. */
export function usedBuckets(buckets: Uint32Array): { offset: number; counts: Uint32Array } {
  const first = buckets.findIndex((count) => count > 0);
  if (first < 0) return { offset: 0, counts: buckets.subarray(0, 0) };
  const last = buckets.findLastIndex((count) => count > 0);
  return { offset: LOWEST + first, counts: buckets.subarray(first, last + 1) };
}
