import { RouseError } from "../../errors.ts";
import { pause } from "../retry.ts";

/** So long is it tried again while nothing moves, ms. */
const PATIENCE_MS = 60_000;
const PAUSE = { first: 100, most: 2_000 } as const;

/**
 * Does a piece of work again for as long as it gets on, or for a minute while it does not: connections break, and servers are started
 * again.
 *
 * @param progress How far it is; any number that grows.
 * @throws RouseError what it threw last, with how often it was tried; at once what is not UNAVAILABLE.
 */
export async function persist<T>(
  work: () => Promise<T>,
  progress: () => number,
  signal: AbortSignal | undefined,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  let since = performance.now();
  let best = progress();
  for (let tries = 1, wait: number = PAUSE.first; ; tries++) {
    try {
      return await work();
    } catch (thrown) {
      const error = RouseError.from(thrown);
      if (error.status !== "UNAVAILABLE" || signal?.aborted) throw thrown;
      if (progress() > best) {
        best = progress();
        since = performance.now();
        wait = PAUSE.first;
      }
      if (performance.now() - since > patienceMs) {
        const { status, reason, metadata } = error;
        const message = `${error.message} It was tried ${tries} times.`;
        throw new RouseError(status, message, { reason, metadata, cause: thrown });
      }
      await pause(wait, signal);
      wait = Math.min(PAUSE.most, wait * 2);
    }
  }
}
