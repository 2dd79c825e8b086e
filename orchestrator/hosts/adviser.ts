import type { HostState } from "../../registry/hosts.ts";
import type { Advice, AdvisedVersion, Adviser, Leaving } from "../adviser.ts";

/** Has instances leave hosts that drain, and counts those of dead hosts as gone. */
export class HostsAdviser implements Adviser {
  readonly #hosts: () => ReadonlyMap<string, HostState>;

  constructor(hosts: () => ReadonlyMap<string, HostState>) {
    this.#hosts = hosts;
  }

  advise({ state }: AdvisedVersion): Advice {
    return hostAdvice(state.instances, this.#hosts());
  }
}

/** What the hosts of some instances mean for them. Pure. */
export function hostAdvice(
  instances: AdvisedVersion["state"]["instances"],
  hosts: ReadonlyMap<string, HostState>,
): Advice {
  const leaving = new Map<string, Leaving>();
  const lost = new Set<string>();
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const { id, host: name } of instances) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    if (host.lost !== undefined) lost.add(id);
    const { mode, reason, deadlineMs } = host.mode;
    if (mode !== "draining" && mode !== "maintenance") continue;
    const what = mode === "draining" ? "drains" : "is in maintenance";
    const why = `host ${name} ${what}${reason === "" ? "" : `: ${reason}`}`;
    if (deadlineMs === undefined) {
      leaving.set(id, { reason: why });
      continue;
    }
    leaving.set(id, { reason: why, byMs: deadlineMs, stopByMs: deadlineMs });
    lookAgainMs = Math.min(lookAgainMs, deadlineMs);
  }
  return { leaving, lost, ...(lookAgainMs === Number.POSITIVE_INFINITY ? {} : { lookAgainMs }) };
}
