import { readFile } from "node:fs/promises";

/** Most memory that a process has had, bytes (VmHWM of Linux); NaN where it cannot be told. */
export async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
}
