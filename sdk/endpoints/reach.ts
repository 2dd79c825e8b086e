import { isIP } from "node:net";

/** Where this process is, for what it can reach. */
export interface Here {
  /** Name of its host; empty: unknown. */
  readonly host: string;
  /** Where it dials the mesh. */
  readonly mesh: string;
  /** In a container, which has a loopback interface and files of its own. */
  readonly ownNetwork: boolean;
}

/** Where this process is, as the agent told it. */
export function hereOf(mesh: string, env: NodeJS.ProcessEnv = process.env): Here {
  return { mesh, host: env.ROUSE_HOST ?? "", ownNetwork: Boolean(env.ROUSE_OWN_NETWORK) };
}

/** Zone of this process's host, as the agent told it; empty: none. */
export function zoneHere(env: NodeJS.ProcessEnv = process.env): string {
  return env.ROUSE_ZONE ?? "";
}

/** Whether an instance's address is good here: one on a loopback interface, or a socket, is so on the instance's own host only. */
export function reaches(here: Here, endpoint: { readonly address: string; readonly host: string }): boolean {
  if (!isLocal(endpoint.address)) return true;
  if (here.ownNetwork) return false;
  // Who was started by no agent is on the host whose mesh it dials.
  return here.host === "" ? isLocal(here.mesh) : here.host === endpoint.host;
}

function isLocal(address: string): boolean {
  if (address.startsWith("unix:")) return true;
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
