import type { RouseError, StatusName } from "../../sdk/errors.ts";

/** Pauses before a task is tried again, ms: the first, and the longest. */
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

/**
 * The pause before the next attempt: 1 s, doubling, 60 s at most (truncated exponential back-off, as in gRPC's connection back-off,
 * doc/connection-backoff.md, without its jitter: the queue spreads attempts already).
 *
 * @param failures How many attempts have failed; at least 1.
 * @returns ms.
 */
export function pauseMs(failures: number): number {
  return Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 30), LONGEST_MS);
}

/** Statuses that say that the same attempt would fail in the same way (google.rpc.Code: the client must change something first). */
const FINAL: ReadonlySet<StatusName> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "UNAUTHENTICATED",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
]);

/** Reasons that say so though their status does not. */
const FINAL_REASONS: ReadonlySet<string> = new Set(["RESULT_TOO_LARGE"]);

/** Whether it is worth trying again after this error. */
export function mayPass({ status, reason }: Pick<RouseError, "status" | "reason">): boolean {
  return !FINAL.has(status) && !FINAL_REASONS.has(reason);
}
