import { z } from "zod";
import type { OrderLogLine } from "#proto/rouse/orders/v1/orders.ts";
import type { LogEntry } from "./store/engine-store.ts";

const linesSchema = z.array(z.object({ stream: z.string(), atMs: z.number(), line: z.string() }));

/** Most that is kept of an attempt: the last lines. */
export const MOST_LINES = 2_000;
export const MOST_CHARACTERS = 2 ** 20;

/** The last lines within what is kept of an attempt, with a word on what is not. */
export function lastLines(lines: readonly LogEntry[]): LogEntry[] {
  const kept: LogEntry[] = [];
  let characters = 0;
  for (const entry of lines.toReversed()) {
    characters += entry.line.length;
    if (kept.length === MOST_LINES || characters > MOST_CHARACTERS) break;
    kept.push(entry);
  }
  const left = lines.length - kept.length;
  const word = { stream: "order", atMs: 0, line: `${left} lines before these were not kept` };
  return left === 0 ? kept.reverse() : [word, ...kept.reverse()];
}

/** The lines of an attempt, as the database keeps them. */
export function parseLines(task: string, attempt: number, text: string): OrderLogLine[] {
  return linesSchema.parse(JSON.parse(text)).map((entry) => ({ task, attempt, ...entry }));
}
