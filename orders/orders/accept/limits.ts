import { RouseError } from "../../../sdk/errors.ts";

const DAY_MS = 86_400_000;

export const PRIORITY = { default: 5, most: 9 } as const;
export const MOST_TASKS = 1_000;
export const MOST_RETRIES = 100;
/** Of calls that may be made again, where the order says nothing. */
export const CALL_RETRIES = 2;
export const LONGEST = { name: 200, key: 200, metadataValue: 1_000 } as const;
export const MOST_METADATA = 64;
/** Of a method without a deadline, ms. */
export const LONGEST_CALL_MS = 30 * DAY_MS;

export const TASK_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,59}$/;
export const METADATA_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Names of inputs and outputs. */
export const DATA_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

/** INVALID_ARGUMENT for an order that is wrong in itself, whatever the contracts say. */
export function orderInvalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The order is not taken: ${why}.`, { reason: "ORDER_INVALID" });
}
