import { setTimeout as sleep } from "node:timers/promises";
import type { createProbeServiceClient } from "../fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "./live.ts";

type Client = ReturnType<typeof createProbeServiceClient>;

const echo = (client: Client) => client.echo({ text: "x" }, { deadlineMs: 30_000 });

/**
 * Calls the probe without a pause until stopped, and keeps what failed.
 *
 * @param call What each of the callers does; default: an echo, which may be tried again.
 */
export function traffic(
  client: Client,
  callers: number,
  call: (client: Client) => Promise<{ readonly instance: string }> = echo,
) {
  let running = true;
  let calls = 0;
  const failures: string[] = [];
  /** Ids of the instances that answered. */
  const instances = new Set<string>();
  const caller = async () => {
    while (running) {
      try {
        const { instance } = await call(client);
        calls += 1;
        instances.add(instance);
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(5);
    }
  };
  const all = Array.from({ length: callers }, caller);
  return {
    instances,
    calls: () => calls,
    /** Resolves when so many more calls have been answered. */
    more: (count: number) => {
      const goal = calls + count;
      return until(`${count} more calls`, async () => calls >= goal);
    },
    async stop() {
      running = false;
      await Promise.all(all);
      return { calls, failures };
    },
  };
}

/**
 * Whether a call that failed had its answer begun: its instance died between the answer's parts. Envoy has passed the first on by then,
 * and only the caller can try it again.
 */
export function hadBegun(failure: string): boolean {
  return failure.includes("Received RST_STREAM");
}

/** One stream that is open until stopped, and what ended it before. */
export function ticking(client: Client) {
  const stopped = new AbortController();
  const { signal } = stopped;
  const failures: string[] = [];
  let ticks = 0;
  const ended = (async () => {
    try {
      for await (const _ of client.tick({ count: 10_000_000, intervalMs: 20 }, { signal })) ticks += 1;
      failures.push("a stream has ended");
    } catch (error) {
      if (!signal.aborted) failures.push(`a stream: ${error}`);
    }
  })();
  return {
    /** Resolves when so many more messages have come, or none will. */
    more: (count: number) => {
      const goal = ticks + count;
      return until(`${count} more ticks`, async () => ticks >= goal || failures.length > 0);
    },
    async stop() {
      stopped.abort();
      await ended;
      return { failures };
    },
  };
}
