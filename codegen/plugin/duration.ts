const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time with one unit, such as "30s", in ms; undefined when it's written otherwise. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = unitMs[match?.[2] ?? ""];
  if (match === null || unit === undefined) return undefined;
  const ms = Math.round(Number(match[1]) * unit * 1e6) / 1e6;
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest way to write a length of time: 90000 is "90s", 3600000 "1h". */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = unitMs[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
