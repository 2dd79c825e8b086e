import type { OperationError } from "#proto/rouse/orders/v1/operations.ts";
import type { StatusCode } from "../../sdk/status.ts";
import { statusName } from "../../sdk/status.ts";
import type { TaskError } from "./machine.ts";

const LONGEST = 10_000;

/** Text that PostgreSQL keeps: neither NUL nor half a character. */
export function cleanText(text: string): string {
  return text.slice(0, LONGEST).replaceAll("\0", "\ufffd").toWellFormed();
}

/** An error that came from a worker. */
export function cleanError(error: OperationError | undefined): TaskError {
  const { code = 2, message = "", reason = "", metadata = {} } = error ?? {};
  const entries = Object.entries(metadata).slice(0, 100);
  return {
    code: statusName(code) === undefined || code === 0 ? 2 : (code as StatusCode),
    message: cleanText(message),
    reason: cleanText(reason),
    metadata: Object.fromEntries(entries.map(([name, value]) => [cleanText(name), cleanText(value)])),
  };
}
