import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ConsulClient } from "./consul.ts";

/** How often it is asked, ms. */
const EACH_MS = 1_000;
/** Consul's agent answers from memory; ms. */
const TIMEOUT_MS = 3_000;
const schema = z.string();

/**
 * Tells when Consul's servers have another leader, or the one that this agent asks was silent, until `signal` aborts.
 *
 * Blocking queries wait at the leader. When its host dies without closing connections, those that a living agent has passed on to it
 * are answered by nobody, and this agent says so only minutes later (seen with 1.22: the whole wait).
 */
export async function watchConsulLeader(
  consul: ConsulClient,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  let known = "";
  let silent = false;
  while (!signal.aborted) {
    await sleep(EACH_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const response = await consul.request("GET", "/v1/status/leader", { signal, timeoutMs: TIMEOUT_MS });
      const leader = schema.parse(JSON.parse(response.text));
      // None while they elect one.
      if (leader === "") continue;
      if (known !== "" && (leader !== known || silent)) onChange();
      known = leader;
      silent = false;
    } catch {
      silent = true;
    }
  }
}
