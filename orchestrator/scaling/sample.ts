/** One version's load in one span of time. */
export interface Sample {
  /** Begin of the span, ms since 1970. */
  readonly atMs: number;
  /** Length of the span, ms: a second, or a minute when it is older. */
  readonly spanMs: number;
  /** Calls and streams in progress; the mean of a minute. */
  readonly inProgress: number;
  /** The most of them in the span. */
  readonly most: number;
  /** Calls begun in the span. */
  readonly issued: number;
  /** Instances that served or started. */
  readonly instances: number;
}
