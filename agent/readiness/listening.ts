import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket that waits for connections. */
interface Listening {
  readonly address: string;
  /** Connections that it has not accepted yet. */
  readonly pending: number;
  readonly inode: string;
}

/**
 * TCP addresses with a listener in the network namespace of a process, by /proc/<pid>/net/tcp (proc_net_tcp.txt of
 * the Linux kernel). Empty where /proc is not to be read.
 *
 * @param own only those that the process itself holds.
 */
export function listeningAddresses(pid: number, own: boolean): readonly string[] {
  const all = [...table(`/proc/${pid}/net/tcp`), ...table(`/proc/${pid}/net/tcp6`)];
  const inodes = own ? socketsOf(pid) : undefined;
  const seen = all.filter((one) => inodes === undefined || inodes.has(one.inode));
  return [...new Set(seen.map((one) => one.address))];
}

/**
 * Connections that wait to be accepted on a port, in the network namespace of a process (rx_queue of a socket that
 * listens, proc_net_tcp.txt); 0 where that is not to be seen.
 *
 * @param address of which the port counts, "host:port".
 */
export function pendingConnections(pid: number, address: string): number {
  const port = address.slice(address.lastIndexOf(":"));
  return [...table(`/proc/${pid}/net/tcp`), ...table(`/proc/${pid}/net/tcp6`)]
    .filter((one) => one.address.endsWith(port))
    .reduce((sum, { pending }) => sum + pending, 0);
}

function table(file: string): Listening[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter((columns) => columns[3] === "0A")
    .map((columns) => ({
      address: decode(columns[1] ?? ""),
      pending: Number.parseInt(columns[4]?.split(":")[1] ?? "0", 16),
      inode: columns[9] ?? "",
    }));
}

/** "0100007F:1F90" is 127.0.0.1:8080: the address is in the machine's byte order, the port is not. */
function decode(text: string): string {
  const [hex = "", portHex = ""] = text.split(":");
  const port = Number.parseInt(portHex, 16);
  if (hex.length === 8) {
    const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    return `${bytes.join(".")}:${port}`;
  }
  if (/^0+$/.test(hex)) return `[::]:${port}`;
  if (hex === "00000000000000000000000001000000") return `[::1]:${port}`;
  return hex.startsWith("0000000000000000FFFF0000")
    ? decode(`${hex.slice(24)}:${portHex}`)
    : `[IPv6]:${port}`;
}

function socketsOf(pid: number): Set<string> {
  const inodes = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  } catch {
    // The process ended or is not ours: nothing to see.
  }
  return inodes;
}

function readLink(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
