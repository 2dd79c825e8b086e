import { readFile } from "node:fs/promises";

/** The machine's memory at one moment; bytes. */
export interface MemoryState {
  readonly totalBytes: number;
  /** What could be given out without swapping (MemAvailable of proc_meminfo(5)). */
  readonly availableBytes: number;
  /** Share of the last ten seconds in which all tasks waited for memory, in % (accounting/psi.rst of the kernel: full avg10). */
  readonly stalledPercent: number;
}

/** Share of the machine's memory that is kept free where nothing else is said: what the page cache of what runs lives on. */
const keepFreeShare = 0.05;
/** When all tasks wait for so much of the time, in %, and little is left, it is too late for the other rule. */
const stalledPercent = 10;
const stalledShare = 0.2;

/**
 * Why instances on standby must go, or undefined while there is memory enough.
 *
 * Stalls alone do not count: an instance at its own limit makes them as well, and evicting others would not help it.
 *
 * @param keepFreeBytes default: 5 % of the machine's memory.
 */
export function memoryPressure(state: MemoryState, keepFreeBytes?: number): string | undefined {
  const { totalBytes, availableBytes } = state;
  const least = keepFreeBytes ?? totalBytes * keepFreeShare;
  const left = `${mebibytes(availableBytes)} of ${mebibytes(totalBytes)} MiB of the host's memory are left`;
  if (availableBytes < least) return `${left}, and ${mebibytes(least)} are to be kept free`;
  if (state.stalledPercent >= stalledPercent && availableBytes < totalBytes * stalledShare)
    return `${left}, and everything waited for memory ${state.stalledPercent} % of the last 10 s`;
  return undefined;
}

/** Reads it from /proc; undefined where there is none. */
export async function readMemory(): Promise<MemoryState | undefined> {
  try {
    const info = await readFile("/proc/meminfo", "utf8");
    // Not every kernel has pressure stall information.
    const pressure = await readFile("/proc/pressure/memory", "utf8").catch(() => "");
    return parseMemory(info, pressure);
  } catch {
    return undefined;
  }
}

/** @param info of /proc/meminfo, @param pressure of /proc/pressure/memory. */
export function parseMemory(info: string, pressure: string): MemoryState | undefined {
  const total = kibibytes(info, "MemTotal");
  const available = kibibytes(info, "MemAvailable");
  if (total === undefined || available === undefined) return undefined;
  const stalled = Number(/^full .*?avg10=([\d.]+)/m.exec(pressure)?.[1] ?? 0);
  return { totalBytes: total * 1024, availableBytes: available * 1024, stalledPercent: stalled };
}

function kibibytes(info: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(info)?.[1];
  return found === undefined ? undefined : Number(found);
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
