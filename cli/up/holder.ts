import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that holds a port. */
export interface PortHolder {
  readonly pid: number;
  /** Its command line. */
  readonly command: string;
}

/**
 * Who listens on a TCP port of this machine; undefined when it cannot be known (another user's process, or no /proc).
 * Linux: the socket's inode from /proc/net/tcp and tcp6 (proc_net_tcp(5): field 2 local address, 4 state, 10 inode),
 * then the process that has it open.
 */
export function portHolder(port: number): PortHolder | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listeners(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of entries("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of entries(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) return { pid: Number(pid), command: commandLine(pid) };
    }
  }
  return undefined;
}

const LISTEN = "0A";

function listeners(table: string, port: number): string[] {
  return read(table)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local, , state]) => state === LISTEN && Number.parseInt(local?.split(":")[1] ?? "", 16) === port,
    )
    .map((fields) => fields[9] ?? "");
}

function commandLine(pid: string): string {
  const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return command.length > 80 ? `${command.slice(0, 79)}…` : command;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
