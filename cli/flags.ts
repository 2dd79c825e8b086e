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
