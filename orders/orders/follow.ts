import { RouseError } from "../../sdk/errors.ts";
import type { Changes } from "../database/changes.ts";
import { isOver } from "./store/record.ts";
import type { OrderWithTasks } from "./store/store.ts";
import { ORDERS_CHANNEL } from "./store/tables.ts";

/** The order as it is and with each change, until it has ended or the signal says so. */
export async function* followOrder(
  known: (id: string) => Promise<OrderWithTasks>,
  changes: Changes,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<OrderWithTasks> {
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const unlisten = changes.listen(ORDERS_CHANNEL, (other) => {
    if (other === undefined || other === id) wake();
  });
  signal.addEventListener("abort", wake, { once: true });
  let revision = 0;
  try {
    for (;;) {
      const next = Promise.withResolvers<void>();
      changed = next;
      if (signal.aborted) next.resolve();
      const found = await known(id);
      if (found.order.revision > revision) yield found;
      revision = found.order.revision;
      if (isOver(found.order) || signal.aborted) return;
      await next.promise;
    }
  } finally {
    unlisten();
  }
}

export async function last<T>(all: AsyncIterable<T>): Promise<T> {
  let found: T | undefined;
  for await (const one of all) found = one;
  if (found === undefined) throw new RouseError("INTERNAL", "An order was followed and never seen.");
  return found;
}
