const units: Readonly<Record<string, number>> = {
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** An amount of memory with its unit, such as "256Mi", in bytes; undefined when it's written otherwise. */
export function parseMemory(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGT]i?)$/.exec(text);
  const unit = units[match?.[2] ?? ""];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact way to write bytes: 268435456 is "256Mi". */
export function formatMemory(bytes: number): string {
  for (const unit of ["Ti", "T", "Gi", "G", "Mi", "M", "Ki", "K"]) {
    const size = units[unit] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes} bytes`;
}
