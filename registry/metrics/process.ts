import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Family } from "./family.ts";
import { counter, gauge, one } from "./mesh.ts";

const delay = monitorEventLoopDelay({ resolution: 20 });

/** The registry's own process, by the names that Prometheus' client libraries use. */
export function processFamilies(): Family[] {
  delay.enable();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const startedS = (Date.now() - process.uptime() * 1_000) / 1_000;
  const lagS = Number.isNaN(delay.max) ? 0 : delay.max / 1e9;
  delay.reset();
  return [
    counter("process_cpu_seconds", "User and system time.", [one((user + system) / 1e6)]),
    gauge("process_resident_memory_bytes", "Memory in use.", [one(rss)]),
    gauge("process_start_time_seconds", "Since 1970.", [one(startedS)]),
    gauge("nodejs_heap_size_used_bytes", "JavaScript heap in use.", [one(heapUsed)]),
    gauge(
      "nodejs_eventloop_lag_max_seconds",
      "Longest time that the event loop was held since the last scrape.",
      [one(lagS)],
    ),
  ];
}
