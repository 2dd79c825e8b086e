/** What one benchmark found. */
export interface BenchResult {
  readonly name: string;
  /** What is compared, how, and in which units. */
  readonly about: string;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  /** The figure that the goal is about. */
  readonly figure?: {
    readonly name: string;
    readonly value: number;
    readonly goal: string;
    readonly met: boolean;
  };
}

/** The middle value; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which the share `q` (0…1) of the values lies, by the nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Rounds to at most three significant decimals, for tables. */
export function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Draws a result as text. */
export function draw(result: BenchResult): string {
  const columns = [...new Set(result.rows.flatMap((row) => Object.keys(row)))];
  const cells = [columns, ...result.rows.map((row) => columns.map((column) => String(row[column] ?? "")))];
  const widths = columns.map((_, n) => Math.max(...cells.map((row) => row[n]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, n) => pad(cell, widths[n] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const { figure } = result;
  const verdict =
    figure === undefined
      ? []
      : [`${figure.name}: ${round(figure.value)} (goal ${figure.goal}: ${figure.met ? "met" : "NOT MET"})`];
  return [`## ${result.name}`, result.about, "", ...lines, ...verdict, ""].join("\n");
}

function pad(cell: string, width: number): string {
  return Number.isNaN(Number(cell)) ? cell.padEnd(width) : cell.padStart(width);
}
