import { setTimeout as sleep } from "node:timers/promises";

/** Batches of what comes within a while: at most `most` items, of which the first waits no longer than `waitMs`. */
export async function* gather<T>(items: AsyncIterable<T>, most: number, waitMs: number): AsyncGenerator<T[]> {
  const iterator = items[Symbol.asyncIterator]();
  let next = iterator.next();
  // It is awaited later, or not at all.
  next.catch(() => {});
  try {
    for (;;) {
      const first = await next;
      if (first.done) return;
      const batch = [first.value];
      const over = new AbortController();
      const late = sleep(waitMs, "late" as const, { signal: over.signal }).catch(() => "late" as const);
      let done = false;
      while (batch.length < most) {
        next = iterator.next();
        next.catch(() => {});
        const found = await Promise.race([next, late]).catch(() => "late" as const);
        if (found === "late") break;
        if (found.done) {
          done = true;
          break;
        }
        batch.push(found.value);
        if (batch.length === most) next = iterator.next();
      }
      over.abort();
      yield batch;
      if (done) return;
    }
  } finally {
    void iterator.return?.();
  }
}
