import { readdirSync, readFileSync } from "node:fs";

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat, proc(5)): together with the id it
 * names a process for good. Undefined when it does not run or is a zombie, or without /proc.
 */
export function startTicks(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}

/**
 * Processes whose environment holds a variable with this value.
 *
 * @param also another variable of which the value is wanted.
 */
export function processesWith(
  variable: string,
  value: string,
  also: string,
): readonly { readonly pid: number; readonly also: string }[] {
  return processIds().flatMap((pid) => {
    const entries = environment(pid);
    if (!entries.includes(`${variable}=${value}`)) return [];
    const found = entries.find((entry) => entry.startsWith(`${also}=`)) ?? "";
    return [{ pid, also: found.slice(also.length + 1) }];
  });
}

function environment(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function processIds(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
