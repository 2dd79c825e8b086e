import type { Client } from "pg";

/** How often it is looked whether somebody is there, and how long is waited for an answer, ms. */
const PULSE = { everyMs: 5_000, patienceMs: 20_000 } as const;

/**
 * Ends a connection on which nobody answers any more. One that only listens, or only holds a lock, hears nothing of its server's end
 * when that is cut off from the network.
 *
 * @returns ends the watch.
 */
export function watchPulse(client: Client, { everyMs, patienceMs }: Pulse = PULSE): () => void {
  let timer: NodeJS.Timeout;
  let over = false;
  const beat = async () => {
    // A connection with a statement under way is cut, and says so by its event.
    const late = setTimeout(() => client.end().catch(() => undefined), patienceMs).unref();
    try {
      await client.query("SELECT 1");
      if (!over) rest();
    } catch {
      // It has ended, and says so by its event as well.
    } finally {
      clearTimeout(late);
    }
  };
  const rest = () => {
    timer = setTimeout(() => void beat(), everyMs).unref();
  };
  rest();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}

export interface Pulse {
  readonly everyMs: number;
  readonly patienceMs: number;
}
