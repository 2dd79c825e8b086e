import { InvalidArgumentError } from "commander";

/** Parses a whole number from 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count >= 1) return count;
  throw new InvalidArgumentError(`"${text}" is no count: give a whole number from 1.`);
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses a span of time such as "90s", "10m", "6h" or "7d"; ms. */
export function parseAgo(text: string): number {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  if (ms > 0) return ms;
  throw new InvalidArgumentError(
    `"${text}" is no span of time: give a number and s, m, h or d, such as 90s, 10m, 6h or 7d.`,
  );
}

/** A flag of `rouse up` as it is typed: `npm start` takes those for its own that do not stand behind "--". */
export function typedFlag(flag: string): string {
  return process.env.npm_lifecycle_event === "start" ? `"npm start -- ${flag} …"` : flag;
}
