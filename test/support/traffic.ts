import { setTimeout as sleep } from "node:timers/promises";
import type { createProbeServiceClient } from "../fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "./live.ts";

/** Calls the probe without a pause until stopped, and keeps what failed. */
export function traffic(client: ReturnType<typeof createProbeServiceClient>, callers: number) {
  let running = true;
  let calls = 0;
  const failures: string[] = [];
  /** Ids of the instances that answered. */
  const instances = new Set<string>();
  const caller = async () => {
    while (running) {
      try {
        const { instance } = await client.echo({ text: "x" }, { deadlineMs: 30_000 });
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
