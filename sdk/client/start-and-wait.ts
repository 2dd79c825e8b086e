import { randomUUID } from "node:crypto";
import { RouseError } from "../errors.ts";
import {
  type AsyncCallOptions,
  AWAY_MS,
  handle,
  ordersAway,
  POLL_MS,
  START_MS,
  type StartedAt,
  start,
} from "./operations.ts";
import { isAway, pause } from "./retry.ts";

/** Settings of {@link startAndWait}. */
export interface WaitedCallOptions extends Pick<AsyncCallOptions, "idempotencyKey" | "key" | "headers"> {
  /** Longest time that one waits, ms; 0: none. The operation goes on after it. */
  readonly deadlineMs?: number;
  /** Ends the wait; the operation goes on. */
  readonly signal?: AbortSignal;
}

/**
 * A plain call of a durable method: starts its run, and waits for its end. While orders are away it waits for them, 90 s at the
 * beginning.
 *
 * @throws RouseError the function's own; UNAVAILABLE ORDERS_AWAY; DEADLINE_EXCEEDED OPERATION_NOT_ENDED; CANCELLED CALL_CANCELLED.
 */
export async function startAndWait(
  at: StartedAt,
  request: unknown,
  { idempotencyKey, key = "", headers = {}, deadlineMs = 0, signal }: WaitedCallOptions,
): Promise<unknown> {
  const beganMs = performance.now();
  const endMs = deadlineMs > 0 ? beganMs + deadlineMs : Number.POSITIVE_INFINITY;
  const giveUpMs = Math.min(endMs, beganMs + START_MS);
  // An answer that got lost must not begin it twice.
  const options = { idempotencyKey: idempotencyKey || randomUUID(), key, headers, ...(signal && { signal }) };
  try {
    for (;;) {
      signal?.throwIfAborted();
      const leftMs = Math.max(1, Math.min(POLL_MS, endMs - performance.now()));
      const started = await start(at, request, { ...options, waitMs: Math.round(leftMs) }).catch(
        (thrown: unknown) => {
          const error = RouseError.from(thrown);
          if (!isAway(error)) throw error;
          if (performance.now() >= giveUpMs) throw ordersAway(error, "durable runs");
        },
      );
      if (started !== undefined) {
        const timeoutMs = Math.max(1, Math.round(endMs - performance.now()));
        const run = handle(at.method, started.id, at.channel, { started, headers });
        return await run.wait({ ...options, timeoutMs });
      }
      await pause(Math.min(AWAY_MS, Math.max(1, giveUpMs - performance.now())), signal);
    }
  } catch (thrown) {
    if (!signal?.aborted || signal.reason instanceof RouseError) throw thrown;
    throw new RouseError("CANCELLED", `${at.method.name} was cancelled by its signal; its run goes on.`, {
      reason: "CALL_CANCELLED",
      cause: signal.reason,
    });
  }
}
