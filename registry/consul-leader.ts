import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ConsulClient } from "./consul.ts";

/** How often it is asked, ms. */
const EACH_MS = 1_000;
/** A client agent asks a server for it, which knows it by heart; ms. */
const TIMEOUT_MS = 3_000;
/** Silence is told at most so often, ms: it may come of the many reads that telling it leads to. */
const SILENCE_EACH_MS = 30_000;
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
  const news = new LeaderNews();
  while (!signal.aborted) {
    await sleep(EACH_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const response = await consul.request("GET", "/v1/status/leader", { signal, timeoutMs: TIMEOUT_MS });
      const leader = schema.parse(JSON.parse(response.text));
      if (news.isNews(leader, performance.now())) onChange();
    } catch {
      news.noteSilence();
    }
  }
}

/** What follows from what Consul says of its leader. */
export class LeaderNews {
  #known = "";
  #silent = false;
  #toldMs = Number.NEGATIVE_INFINITY;

  /** It has not answered. */
  noteSilence(): void {
    this.#silent = true;
  }

  /**
   * Whether what was asked before may never be answered. Silence counts before the first leader is known, too: reads hang then as well.
   *
   * @param leader "" while they elect one.
   * @param nowMs of any clock that goes on evenly.
   */
  isNews(leader: string, nowMs: number): boolean {
    if (leader === "") return false;
    const isAnother = this.#known !== "" && leader !== this.#known;
    this.#known = leader;
    const tells = isAnother || (this.#silent && nowMs - this.#toldMs >= SILENCE_EACH_MS);
    if (!tells) return false;
    this.#silent = false;
    this.#toldMs = nowMs;
    return true;
  }
}
