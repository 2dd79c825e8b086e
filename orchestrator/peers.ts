import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { ConsulClient } from "../registry/consul.ts";
import { depose } from "../registry/leader.ts";

/** A process that is being started again has its port back within this time, ms; a refusal before is no proof. */
const PAUSE_MS = 50;
const CONNECT_MS = 1_000;

/**
 * Looks after a leader whose stream broke: if nothing listens where it was, its process is gone, and its lock is set free at
 * once, rather than after the time that a silent leader is given.
 *
 * @returns whether it was deposed.
 */
export async function checkLeader(
  consul: ConsulClient,
  key: string,
  address: string,
  log: Logger,
): Promise<boolean> {
  for (let tries = 0; tries < 2; tries++) {
    if (tries > 0) await sleep(PAUSE_MS);
    if (!(await isRefused(address))) return false;
  }
  try {
    const deposed = await depose(consul, key, address);
    if (deposed) log.warn({ leader: address }, "nothing listens where the leader was: its lock is set free");
    return deposed;
  } catch (err) {
    log.warn({ err, leader: address }, "the lock of a dead leader cannot be set free; it ends by itself");
    return false;
  }
}

/** True when the host answers that no process listens there; silence proves nothing. */
function isRefused(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)) });
    const end = (refused: boolean) => {
      socket.destroy();
      resolve(refused);
    };
    socket.setTimeout(CONNECT_MS, () => end(false));
    socket.once("connect", () => end(false));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED"));
  });
}
