import { DEFAULT_STANDBY } from "../registry/standby.ts";
import type { InstanceState } from "../registry/state.ts";
import type { Action, Plan, PlanContext, VersionView } from "./plan.ts";

/** The instances of a version that are on standby and stay so, the one used last at first; and what is to be done with others. */
export function standbysOf(
  view: VersionView,
  alive: readonly InstanceState[],
  { nowMs }: PlanContext,
): { readonly kept: readonly InstanceState[]; readonly plan: Plan } {
  const { instances, keepMs } = settingsOf(view);
  const kept: InstanceState[] = [];
  const actions: Action[] = [];
  let lookAgainMs = Number.POSITIVE_INFINITY;
  const frozen = alive
    .filter(({ standby }) => standby !== undefined)
    .sort((a, b) => lastUsed(b) - lastUsed(a) || (a.id < b.id ? -1 : 1));
  for (const instance of frozen) {
    const { id, generation, healthy, standby } = instance;
    const endMs = (standby?.sinceMs ?? 0) + keepMs;
    const calls = view.sentAhead.has(id);
    const reason =
      whyStop(view, instance) ?? (calls || kept.length < instances ? undefined : "enough are on standby");
    // Calls that are on their way to it come before its time.
    const over = nowMs >= endMs && !calls ? "its time on standby is over" : undefined;
    if (reason !== undefined || over !== undefined) {
      const target = { service: view.service, version: view.version, generation };
      actions.push({ kind: "stop", target, instance, reason: reason ?? over ?? "" });
    } else {
      if (healthy) kept.push(instance);
      lookAgainMs = Math.min(lookAgainMs, calls ? Number.POSITIVE_INFINITY : endMs);
    }
  }
  return { kept, plan: { actions, lookAgainMs } };
}

/** The places on standby that a version has, as one plan takes them. */
export class Places {
  readonly #view: VersionView;
  #taken: number;

  /** @param taken how many are on standby already. */
  constructor(view: VersionView, taken: number) {
    this.#view = view;
    this.#taken = taken;
  }

  /** Puts an instance without calls on standby; undefined when it is to be stopped. */
  suspend(instance: InstanceState, reason: string): Action | undefined {
    const { service, version, state, lastActiveMs } = this.#view;
    if (this.#taken >= settingsOf(this.#view).instances) return undefined;
    // Threads of an agent cannot be frozen alone.
    if (!instance.healthy || instance.runtime === "in-process" || whyStop(this.#view, instance) !== undefined)
      return undefined;
    this.#taken++;
    const target = { service, version, generation: state.activation.generation };
    return { kind: "suspend", target, instance, lastUsedMs: lastActiveMs, reason };
  }
}

function settingsOf({ state }: VersionView) {
  return state.manifest.standby ?? DEFAULT_STANDBY;
}

/** Why an instance is of no use any more, also on standby. */
function whyStop({ state, advice }: VersionView, { id }: InstanceState): string | undefined {
  if (state.activation.stopped !== undefined) return "stopped by an administrator";
  if (state.barred === true) return "it may not run";
  if (advice.unfit.has(id)) return "it did badly";
  return advice.leaving.get(id)?.reason;
}

function lastUsed({ standby }: InstanceState): number {
  return standby?.lastUsedMs ?? 0;
}
