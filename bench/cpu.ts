import { readdir, readFile } from "node:fs/promises";

/**
 * Processor time of a process and all its threads since its start, µs; NaN where the kernel does not tell
 * (https://docs.kernel.org/scheduler/sched-stats.html, /proc/PID/task/TID/schedstat: ns on a processor). Other load on the machine
 * changes it far less than it changes speed.
 */
export async function cpuMicros(pid: number): Promise<number> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const times = threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      return Number(text.split(" ")[0]);
    });
    return (await Promise.all(times)).reduce((sum, ns) => sum + ns, 0) / 1_000;
  } catch {
    return Number.NaN;
  }
}
