import { isIP } from "node:net";

/** Where this process is, for what it can reach. */
export interface Here {
  /** Name of its host; empty: unknown. */
  readonly host: string;
  /** Where it dials the mesh. */
  readonly mesh: string;
}

/**
 * Whether an instance's address is good here: one on a loopback interface or a socket in the file system is so on the
 * instance's own host only, and not in a container, which has its own of both.
 */
export function reaches(here: Here, endpoint: { readonly address: string; readonly host: string }): boolean {
  const { address } = endpoint;
  if (!address.startsWith("unix:") && !isLoopback(address)) return true;
  if (here.mesh.startsWith("unix:")) return false;
  return here.host === "" ? isLoopback(here.mesh) : here.host === endpoint.host;
}

function isLoopback(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
