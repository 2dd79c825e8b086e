import { RouseError } from "./errors.ts";
import { statusName } from "./status.ts";

/** An error as messages and databases keep it, such as rouse.orders.v1.OperationError. */
export interface ErrorRecord {
  /** gRPC status code; one that is unknown is read as UNKNOWN. */
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly metadata: Record<string, string>;
}

export function recordOf({ code, message, reason, metadata }: RouseError) {
  return { code, message, reason, metadata };
}

export function errorOf({ code, message, reason, metadata }: ErrorRecord): RouseError {
  return new RouseError(statusName(code) ?? "UNKNOWN", message, { reason, metadata });
}
