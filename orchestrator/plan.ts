import type { Activation, InstanceState, VersionState } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import type { Placement, Resources } from "./place.ts";

/** All that decides what to do with one version at one moment. */
export interface VersionView {
  readonly service: string;
  readonly version: string;
  readonly state: VersionState;
  /** Starts under way, and started instances that Consul does not show yet, by generation. */
  readonly starting: readonly { readonly instanceId: string; readonly generation: number }[];
  /** Instances whose stop is under way. */
  readonly stopping: ReadonlySet<string>;
  /**
   * Since when (ms since 1970) some Envoy holds calls for the current generation, or a person or a replacement wants a
   * start; undefined when nobody does.
   */
  readonly wantedSinceMs: number | undefined;
  /** Last time (ms since 1970) any generation had a call; at least when the current one began to serve. */
  readonly lastActiveMs: number;
  /** Until when every mesh-config has reported loads, ms since 1970: silence up to then means that nobody called. */
  readonly loadsUntilMs: number;
  /** Whether every mesh-config has drained the generation. */
  readonly drained: (generation: number) => boolean;
  /** Since when (ms since 1970) the generation drains. */
  readonly drainingSinceMs: (generation: number) => number;
}

export interface PlanContext {
  readonly nowMs: number;
  readonly place: (needs: Resources) => Placement;
  /** Longest drain of a version that an administrator stopped, ms. */
  readonly stopDrainMs: number;
}

export type Action =
  | { readonly kind: "start"; readonly target: Target; readonly host: string }
  | { readonly kind: "adopt"; readonly target: Target; readonly instance: InstanceState }
  | {
      readonly kind: "stop";
      readonly target: Target;
      readonly instance: InstanceState;
      readonly reason: string;
    }
  | { readonly kind: "fail"; readonly target: Target; readonly message: string }
  | { readonly kind: "next-generation"; readonly target: Target; readonly reason: MoveReason };

/** Why a version leaves its generation. */
export type MoveReason = "idle" | "its last instance ended" | "the back-off is over";

export interface Plan {
  readonly actions: readonly Action[];
  /** When to look again though nothing happens, ms since 1970. */
  readonly lookAgainMs: number;
}

/** How often to look for the load report that an idle version waits for, ms. */
const LOADS_PAUSE_MS = 250;

/** How often to look for a host when there is none, ms; a change of hosts is looked at anyway. */
const NO_HOST_PAUSE_MS = 1_000;

/** What to do with one version. Pure: the same view gives the same plan. */
export function planVersion(view: VersionView, context: PlanContext): Plan {
  const { activation, manifest, instances } = view.state;
  const { generation } = activation;
  const target = { service: view.service, version: view.version, generation };
  const alive = instances.filter((instance) => !view.stopping.has(instance.id) && !instance.draining);
  const current = alive.filter((instance) => instance.generation === generation);
  const retired = alive.filter((instance) => instance.generation < generation);
  const starting = view.starting.filter((start) => start.generation === generation);

  if (activation.stopped !== undefined)
    return stopRetired(view, retired, context, "stopped by an administrator");
  if (activation.failure !== undefined) {
    const { retryAtMs } = activation.failure;
    if (context.nowMs < retryAtMs) {
      return merge(
        { actions: [], lookAgainMs: retryAtMs },
        stopRetired(view, retired, context, "start failed"),
      );
    }
    return once({ kind: "next-generation", target, reason: "the back-off is over" });
  }

  // Callers of what may not run are told so by the routes.
  const barred = view.state.barred === true;
  const wanted = view.wantedSinceMs !== undefined && !barred;
  const wantedInstances = barred ? 0 : Math.max(manifest.minInstances, wanted ? 1 : 0);
  if (current.length + starting.length === 0 && activation.served === true) {
    // Envoys have the cluster and will not ask for it again: only a new name can be held and woken.
    return once({ kind: "next-generation", target, reason: "its last instance ended" });
  }
  if (current.length + starting.length < wantedInstances) {
    const reusable = retired[0];
    if (reusable !== undefined) return once({ kind: "adopt", target, instance: reusable });
    const placement = context.place(manifest.resources);
    if (placement.host === undefined) {
      const waitedMs = context.nowMs - (view.wantedSinceMs ?? context.nowMs);
      if (placement.empty === true && waitedMs < manifest.startTimeoutMs) {
        return { actions: [], lookAgainMs: context.nowMs + NO_HOST_PAUSE_MS };
      }
      // Callers that wait are told; what only the minimum wants is tried again with the next change of hosts.
      if (wanted && current.length === 0) return once({ kind: "fail", target, message: placement.reason });
      return { actions: [], lookAgainMs: context.nowMs + 5_000 };
    }
    return once({ kind: "start", target, host: placement.host });
  }

  const idle = idleAt(view, current);
  if (idle !== undefined && view.loadsUntilMs >= idle) {
    return once({ kind: "next-generation", target, reason: "idle" });
  }
  const lookAgainMs =
    idle === undefined ? Number.POSITIVE_INFINITY : Math.max(idle, context.nowMs + LOADS_PAUSE_MS);
  return merge({ actions: [], lookAgainMs }, stopRetired(view, retired, context, "idle"));
}

function idleAt(view: VersionView, current: readonly InstanceState[]): number | undefined {
  const { manifest } = view.state;
  if (current.length === 0 || manifest.minInstances > 0 || manifest.idleTimeoutMs === 0) return undefined;
  return view.lastActiveMs + manifest.idleTimeoutMs;
}

function stopRetired(
  view: VersionView,
  retired: readonly InstanceState[],
  context: PlanContext,
  reason: string,
): Plan {
  const actions: Action[] = [];
  let lookAgainMs = Number.POSITIVE_INFINITY;
  const stopped = view.state.activation.stopped !== undefined;
  for (const instance of retired) {
    const drainEnd = stopped ? view.drainingSinceMs(instance.generation) + context.stopDrainMs : undefined;
    if (view.drained(instance.generation) || (drainEnd !== undefined && context.nowMs >= drainEnd)) {
      const target = { service: view.service, version: view.version, generation: instance.generation };
      actions.push({ kind: "stop", target, instance, reason });
    } else if (drainEnd !== undefined) {
      lookAgainMs = Math.min(lookAgainMs, drainEnd);
    }
  }
  return { actions, lookAgainMs };
}

function once(action: Action): Plan {
  return { actions: [action], lookAgainMs: Number.POSITIVE_INFINITY };
}

function merge(a: Plan, b: Plan): Plan {
  return { actions: [...a.actions, ...b.actions], lookAgainMs: Math.min(a.lookAgainMs, b.lookAgainMs) };
}

/** Back-off after the n-th failed start in a row, ms: 2 s, doubling, 5 min at most. */
export function backOffMs(failures: number): number {
  return Math.min(2_000 * 2 ** Math.max(0, failures - 1), 300_000);
}

/** The next generation: nothing of the old one's fate is kept but the count of failures. */
export function nextGeneration(activation: Activation): Activation {
  const { generation, failures, stopped } = activation;
  return {
    generation: generation + 1,
    ...(failures === undefined ? {} : { failures }),
    ...(stopped === undefined ? {} : { stopped }),
  };
}
