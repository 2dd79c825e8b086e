import { z } from "zod";
import { RouseError } from "../../../sdk/errors.ts";

/** Longest part of a message that tells what is wrong with a value. */
const LONGEST_FAULT = 200;

/**
 * Reads a row of an order.
 *
 * @param order its id.
 * @param what the row, such as `task "main"`.
 * @throws RouseError INTERNAL ORDER_UNREADABLE.
 */
export function readRow<T>(schema: z.ZodType<T>, row: unknown, order: string, what: string): T {
  try {
    return schema.parse(row);
  } catch (cause) {
    throw unreadable(order, what, cause);
  }
}

/**
 * Reads a row as far as it can be read, for people to see.
 *
 * @param blank stands for what cannot be.
 * @returns with why, when it cannot be read whole.
 */
export function salvageRow<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  row: Readonly<Record<string, unknown>>,
  blank: z.output<z.ZodObject<Shape>>,
  order: string,
  what: string,
): { readonly row: z.output<z.ZodObject<Shape>>; readonly error?: RouseError } {
  try {
    return { row: schema.parse(row) };
  } catch (cause) {
    const read = Object.entries(schema.shape).map(([column, value]) => {
      try {
        return [column, (value as z.ZodType).parse(row[column])];
      } catch {
        return [column, (blank as Record<string, unknown>)[column]];
      }
    });
    const salvaged = Object.fromEntries(read) as z.output<z.ZodObject<Shape>>;
    return { row: salvaged, error: unreadable(order, what, cause) };
  }
}

function unreadable(order: string, what: string, cause: unknown): RouseError {
  const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
  return new RouseError(
    "INTERNAL",
    `Order ${order} cannot be read from the database, and was left out: its ${what} is not what this version of Rouse writes (${why.slice(0, LONGEST_FAULT)}). Retry it with a version that can read it ("rouse orders retry ${order}"), or order it anew.`,
    { reason: "ORDER_UNREADABLE", metadata: { order }, cause },
  );
}
