import { Ends } from "../../registry/ends.ts";
import type { HostState } from "../../registry/hosts.ts";
import type { Advice, AdvisedVersion, Adviser, Leaving } from "../adviser.ts";

/** Has instances leave hosts that drain, and counts those of dead hosts as gone. */
export class HostsAdviser implements Adviser {
  readonly #hosts: () => ReadonlyMap<string, HostState>;
  readonly #ends = new Ends();

  constructor(hosts: () => ReadonlyMap<string, HostState>) {
    this.#hosts = hosts;
  }

  advise({ state }: AdvisedVersion, nowMs: number): Advice {
    return hostAdvice(state.instances, this.#hosts(), ({ host, mode: { atMs, deadlineMs } }) => {
      if (deadlineMs !== undefined) return this.#ends.of(host, deadlineMs, deadlineMs - atMs, nowMs);
      this.#ends.forget(host);
      return undefined;
    });
  }
}

/**
 * What the hosts of some instances mean for them. Pure.
 *
 * @param deadlineOf When a host is to be empty, ms since 1970; undefined: when all calls are done.
 */
export function hostAdvice(
  instances: AdvisedVersion["state"]["instances"],
  hosts: ReadonlyMap<string, HostState>,
  deadlineOf: (host: HostState) => number | undefined = ({ mode }) => mode.deadlineMs,
): Advice {
  const leaving = new Map<string, Leaving>();
  const lost = new Set<string>();
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const { id, host: name } of instances) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    if (host.lost !== undefined) lost.add(id);
    const { mode, reason } = host.mode;
    if (mode !== "draining" && mode !== "maintenance") continue;
    const what = mode === "draining" ? "drains" : "is in maintenance";
    const why = `host ${name} ${what}${reason === "" ? "" : `: ${reason}`}`;
    const deadlineMs = deadlineOf(host);
    if (deadlineMs === undefined) {
      leaving.set(id, { reason: why });
      continue;
    }
    leaving.set(id, { reason: why, byMs: deadlineMs, stopByMs: deadlineMs });
    lookAgainMs = Math.min(lookAgainMs, deadlineMs);
  }
  return { leaving, lost, ...(lookAgainMs === Number.POSITIVE_INFINITY ? {} : { lookAgainMs }) };
}
