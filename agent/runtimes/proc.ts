import { readdirSync, readFileSync } from "node:fs";

/**
 * When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat, proc(5)): together with the id it
 * names a process for good. Undefined when it does not run or is a zombie, or without /proc.
 */
export function startTicks(pid: number): number | undefined {
  const fields = statFields(pid);
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}

/** Whether a signal (SIGSTOP) keeps a process from running. */
export function isStopped(pid: number): boolean {
  return statFields(pid)?.[0] === "T";
}

/** Clock ticks that a process has had of the CPU, its children that it did not wait for left out; 0 when there is none. */
export function cpuTicks(pid: number): number {
  const fields = statFields(pid);
  return Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
}

/** Ids of the processes of a process group (field 5 of /proc/<pid>/stat). */
export function groupMembers(group: number): readonly number[] {
  return processIds().filter((pid) => Number(statFields(pid)?.[2]) === group);
}

/** Ids of the processes in a container: its id stands in the names of their cgroups. */
export function containerMembers(container: string): readonly number[] {
  return processIds().filter((pid) => isContainerMember(pid, container));
}

/** Whether a process is in the container. */
export function isContainerMember(pid: number, container: string): boolean {
  return cgroupsOf(pid).includes(container);
}

/** Cores that this process may run on. */
export function allowedCores(): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(textOf("/proc/self/status"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Fields of /proc/<pid>/stat from the third on, the state. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
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

function cgroupsOf(pid: number): string {
  return textOf(`/proc/${pid}/cgroup`);
}

/** Empty when there is no such file, or no more. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
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
