import type { Metadata } from "@grpc/grpc-js";
import type { RouseError } from "../errors.ts";

const firstMs = 50;
const longestMs = 2_000;
/** So long a mesh that has answered may be away before calls to it fail, ms: an Envoy that ends is started again within a few seconds. */
const awayMs = 10_000;
/** Longest pause before it is tried again whether it is back, ms. */
const lookMs = 250;

/**
 * How long to wait before an idempotent call is tried again, ms; undefined: not at all. Only what was UNAVAILABLE, or
 * whose stream was reset, is tried again. The server may say how long to wait, or, with a negative number, that another try is of no use
 * (grpc-retry-pushback-ms, https://github.com/grpc/proposal/blob/master/A6-client-retries.md, as is the jitter).
 *
 * @param attempt Number of the attempt that failed, from 1.
 */
export function retryDelayMs(
  error: RouseError,
  attempt: number,
  retries: number,
  deadline: number | undefined,
): number | undefined {
  if (!isAway(error) || attempt > retries) return undefined;
  const pushback = pushbackOf(error);
  if (pushback !== undefined && !(pushback >= 0)) return undefined;
  const delay = pushback ?? Math.min(longestMs, firstMs * 2 ** (attempt - 1)) * (0.8 + Math.random() * 0.4);
  return deadline !== undefined && Date.now() + delay >= deadline ? undefined : delay;
}

/**
 * How long to wait before a call that found nobody at the mesh's address is tried again, ms; undefined: not at all. It never left
 * this process, so that this holds for any method.
 *
 * @param sinceMs By performance.now(), when it found nobody for the first time.
 */
export function awayDelayMs(sinceMs: number, deadline: number | undefined): number | undefined {
  const passedMs = performance.now() - sinceMs;
  if (passedMs >= awayMs) return undefined;
  const delay = Math.min(lookMs, Math.max(firstMs, passedMs / 2)) * (0.8 + Math.random() * 0.4);
  return deadline !== undefined && Date.now() + delay >= deadline ? undefined : delay;
}

/** The server's word, ms; NaN when it is no number, which counts as "no". */
function pushbackOf(error: RouseError): number | undefined {
  const { cause } = error;
  if (typeof cause !== "object" || cause === null || !("metadata" in cause)) return undefined;
  const [value] = (cause.metadata as Metadata | undefined)?.get("grpc-retry-pushback-ms") ?? [];
  return typeof value === "string" ? Number.parseInt(value, 10) : undefined;
}

/** The server is away, or went away in the middle of a stream: Envoy can then only reset it, which grpc-js calls INTERNAL. */
export function isAway({ status, message }: RouseError): boolean {
  return status === "UNAVAILABLE" || (status === "INTERNAL" && message.startsWith("Received RST_STREAM"));
}

/** Waits; rejects with the signal's reason when it aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
