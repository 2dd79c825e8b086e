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

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** Seconds are kept for an hour, minutes for a day. */
const MOST_SECONDS = 3_600;
const MOST_MINUTES = 1_440;

interface Span {
  readonly atMs: number;
  sum: number;
  count: number;
  most: number;
  issued: number;
  instances: number;
}

/**
 * The load of one version: each second of the last hour, each minute of the day before. Spans without load are not kept, so a
 * version that is used now and then costs little: at most 5,040 spans.
 */
export class Recording {
  #seconds: Span[] = [];
  #minutes: Span[] = [];

  add(load: { inProgress: number; issued: number; instances: number }, atMs: number): void {
    if (load.inProgress === 0 && load.issued === 0 && load.instances === 0) return;
    const secondMs = Math.floor(atMs / SECOND_MS) * SECOND_MS;
    const latest = this.#seconds.at(-1);
    // The clock was set back: what was kept of later times would be out of order.
    if (latest !== undefined && secondMs < latest.atMs) return;
    if (latest?.atMs === secondMs) take(latest, load);
    else this.#seconds.push(spanOf(secondMs, load));
    if (this.#seconds.length > MOST_SECONDS) this.#age(this.#seconds.splice(0, MINUTE_MS / SECOND_MS));
  }

  /** Oldest first. */
  samples(): Sample[] {
    return [
      ...this.#minutes.map((span) => sampleOf(span, MINUTE_MS)),
      ...this.#seconds.map((span) => sampleOf(span, SECOND_MS)),
    ];
  }

  #age(old: readonly Span[]): void {
    for (const { atMs, sum, count, most, issued, instances } of old) {
      const minuteMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
      let minute = this.#minutes.at(-1);
      if (minute?.atMs !== minuteMs) {
        minute = { atMs: minuteMs, sum: 0, count: MINUTE_MS / SECOND_MS, most: 0, issued: 0, instances: 0 };
        this.#minutes.push(minute);
      }
      minute.sum += sum / count;
      minute.most = Math.max(minute.most, most);
      minute.issued += issued;
      minute.instances = Math.max(minute.instances, instances);
    }
    this.#minutes = this.#minutes.slice(-MOST_MINUTES);
  }
}

function spanOf(atMs: number, load: { inProgress: number; issued: number; instances: number }): Span {
  const { inProgress, issued, instances } = load;
  return { atMs, sum: inProgress, count: 1, most: inProgress, issued, instances };
}

function take(span: Span, load: { inProgress: number; issued: number; instances: number }): void {
  span.sum += load.inProgress;
  span.count += 1;
  span.most = Math.max(span.most, load.inProgress);
  span.issued += load.issued;
  span.instances = Math.max(span.instances, load.instances);
}

function sampleOf({ atMs, sum, count, most, issued, instances }: Span, spanMs: number): Sample {
  return { atMs, spanMs, inProgress: sum / count, most, issued, instances };
}
