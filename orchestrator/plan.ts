import type { Activation, InstanceState, VersionManifest, VersionState } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import type { JoinedAdvice } from "./adviser.ts";
import type { VersionLoad } from "./demand.ts";
import type { Placement } from "./placement/place.ts";
import { Places, standbysOf } from "./standby.ts";

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
  /**
   * Ids of instances on standby to which Envoys have sent calls of the current generation already: its cluster is known to
   * them, and these calls wait for one of those to be resumed.
   */
  readonly sentAhead: ReadonlySet<string>;
  /** Last time (ms since 1970) any generation had a call; at least when the current one began to serve. */
  readonly lastActiveMs: number;
  /** What every mesh-config has reported: silence up to `untilMs` means that nobody called. */
  readonly load: VersionLoad;
  /** Whether every mesh-config has drained the generation. */
  readonly drained: (generation: number) => boolean;
  /** Since when (ms since 1970) the generation drains. */
  readonly drainingSinceMs: (generation: number) => number;
  /** Since when (ms since 1970) the instance retires. */
  readonly retiringSinceMs: (instanceId: string) => number;
  /** Before when (ms since 1970) no further instance is started beside those that serve, as a start failed; 0: at once. */
  readonly startAgainMs: number;
  /** What the parts beside the plan say. */
  readonly advice: JoinedAdvice;
}

export interface PlanContext {
  readonly nowMs: number;
  /** Chooses a host for one more instance of the version. */
  readonly place: () => Placement;
  /** Longest drain of a version that an administrator stopped, ms. */
  readonly stopDrainMs: number;
}

export type Action =
  | {
      readonly kind: "start";
      readonly target: Target;
      readonly host: string;
      /** Why this host, in one line. */
      readonly why?: string;
    }
  | { readonly kind: "adopt"; readonly target: Target; readonly instance: InstanceState }
  /** It is thawed, and serves the target then. */
  | { readonly kind: "resume"; readonly target: Target; readonly instance: InstanceState }
  | {
      /** It has no calls: it is frozen, to be resumed in the target. */
      readonly kind: "suspend";
      readonly target: Target;
      readonly instance: InstanceState;
      readonly lastUsedMs: number;
      /** Why it is stopped if it cannot be frozen. */
      readonly reason: string;
    }
  | {
      /** It takes no new calls from now on; a later plan stops it. */
      readonly kind: "retire";
      readonly target: Target;
      readonly instance: InstanceState;
      readonly reason: string;
    }
  | {
      readonly kind: "stop";
      readonly target: Target;
      readonly instance: InstanceState;
      readonly reason: string;
    }
  | { readonly kind: "fail"; readonly target: Target; readonly message: string }
  | { readonly kind: "next-generation"; readonly target: Target; readonly reason: MoveReason };

/** Why a version leaves its generation. */
export type MoveReason = "idle" | "its last instance ended" | "its host is dead" | "the back-off is over";

export interface Plan {
  readonly actions: readonly Action[];
  /** When to look again though nothing happens, ms since 1970. */
  readonly lookAgainMs: number;
}

/** How often to look for the load report that an idle version or a retiring instance waits for, ms. */
const LOADS_PAUSE_MS = 250;
/** How often to look for a host when there is none, ms; a change of hosts is looked at anyway. */
const NO_HOST_PAUSE_MS = 1_000;
/** How often to look for room for an instance that no held call waits for, ms. */
const NO_ROOM_PAUSE_MS = 5_000;
/** A retiring instance is quiet when no call was open on it so long after the news went to Envoys, ms. */
const NEWS_MS = 1_500;
/** A retiring instance has at least this long for its calls, ms. */
const LEAST_RETIRING_MS = 60_000;
/** And at most this long, also for streams without a deadline, ms. */
const MOST_RETIRING_MS = 3_600_000;

/** What to do with one version. Pure: the same view gives the same plan. */
export function planVersion(view: VersionView, context: PlanContext): Plan {
  const { activation } = view.state;
  const { generation } = activation;
  const target = { service: view.service, version: view.version, generation };
  const alive = view.state.instances.filter(({ id }) => !view.stopping.has(id) && !view.advice.lost.has(id));
  const frozen = standbysOf(view, alive, context);
  const taking = alive.filter(({ draining, standby }) => !draining && standby === undefined);
  const current = taking.filter((instance) => instance.generation === generation);
  const former = taking.filter((instance) => instance.generation < generation);
  const old = alive.filter(
    ({ standby, retiring, ...instance }) =>
      instance.generation < generation && retiring !== true && standby === undefined,
  );
  const keep = new Places(view, frozen.kept.length);
  const leave = merge(frozen.plan, stopRetiring(view, alive, context, keep));

  if (activation.stopped !== undefined)
    return merge(leave, stopFormer(view, old, context, "stopped by an administrator", undefined));
  const awaited = frozen.kept.find(({ id }) => view.sentAhead.has(id));
  // Calls lie in its socket, whatever else is the matter.
  if (awaited !== undefined) return once({ kind: "resume", target, instance: awaited });
  if (activation.failure !== undefined) {
    const { retryAtMs, final } = activation.failure;
    const againMs = final === true ? Number.POSITIVE_INFINITY : retryAtMs;
    if (context.nowMs < againMs)
      return merge(later(againMs), leave, stopFormer(view, old, context, "start failed", undefined));
    return once({ kind: "next-generation", target, reason: "the back-off is over" });
  }

  const starting = view.starting.filter((start) => start.generation === generation).length;
  if (current.length + starting === 0 && (activation.served === true || view.sentAhead.size > 0)) {
    // Envoys have the cluster and will not ask for it again: only a new name can be held and woken.
    const lost = view.state.instances.some(
      (one) => view.advice.lost.has(one.id) && one.generation === generation,
    );
    const reason = lost ? "its host is dead" : "its last instance ended";
    return once({ kind: "next-generation", target, reason });
  }

  const idle = idleAt(view, current);
  if (idle !== undefined && view.load.untilMs >= idle && view.wantedSinceMs === undefined)
    return once({ kind: "next-generation", target, reason: "idle" });

  const { leaving, unfit } = view.advice;
  const staying = current.filter(({ id }) => !leaving.has(id) && !unfit.has(id));
  const wanted = wantedInstances(view, current.length + starting);
  const lookAgainMs = Math.min(
    view.advice.lookAgainMs,
    idle === undefined ? Number.POSITIVE_INFINITY : Math.max(idle, context.nowMs + LOADS_PAUSE_MS),
  );
  const rest = merge(later(lookAgainMs), leave);
  if (staying.length + starting < wanted) {
    const more = oneMore(view, { target, current, former, standbys: frozen.kept }, context);
    return merge(more, rest, retireOverdue(view, target, current, context));
  }
  const goes = oneLess(view, { target, current, staying, starting, wanted });
  if (goes !== undefined) return merge(once(goes), rest);
  return merge(rest, stopFormer(view, old, context, "idle", keep));
}

/** How many instances the current generation should have. */
function wantedInstances(view: VersionView, there: number): number {
  const { manifest, barred } = view.state;
  // Callers of what may not run are told so by the routes.
  if (barred === true) return 0;
  const called = view.wantedSinceMs !== undefined || there > 0 ? 1 : 0;
  // Without any instance only held calls or a minimum start one: what the load says is of former ones.
  const desired = called === 0 ? 0 : (view.advice.desired ?? 0);
  return Math.min(Math.max(manifest.minInstances, called, desired), mostInstances(manifest));
}

/** So many instances of a version stay at most. */
export function mostInstances({ minInstances, maxInstances }: VersionManifest): number {
  return Math.max(maxInstances, minInstances);
}

interface Standing {
  readonly target: Target;
  /** Take calls of the current generation. */
  readonly current: readonly InstanceState[];
  /** Take calls of former ones. */
  readonly former: readonly InstanceState[];
  /** Can be resumed, the one to be resumed first at first. */
  readonly standbys: readonly InstanceState[];
}

function oneMore(
  view: VersionView,
  { target, current, former, standbys }: Standing,
  context: PlanContext,
): Plan {
  const reusable = former.find(
    ({ id, healthy }) => healthy && !view.advice.leaving.has(id) && !view.advice.unfit.has(id),
  );
  if (reusable !== undefined) return once({ kind: "adopt", target, instance: reusable });
  const [standby] = standbys;
  if (standby !== undefined) return once({ kind: "resume", target, instance: standby });
  if (current.length > 0 && context.nowMs < view.startAgainMs) return later(view.startAgainMs);
  const placement = context.place();
  if (placement.host !== undefined) {
    const { host, why } = placement;
    return once({ kind: "start", target, host, ...(why === undefined ? {} : { why }) });
  }
  const waitedMs = context.nowMs - (view.wantedSinceMs ?? context.nowMs);
  if (placement.empty === true && waitedMs < view.state.manifest.startTimeoutMs)
    return later(context.nowMs + NO_HOST_PAUSE_MS);
  // Callers that wait are told; what only the minimum or the load wants is tried again with the next change of hosts.
  const held = view.wantedSinceMs !== undefined && view.state.barred !== true;
  if (held && current.length === 0) return once({ kind: "fail", target, message: placement.reason });
  return later(context.nowMs + NO_ROOM_PAUSE_MS);
}

/**
 * The instance that is to take no more calls: one that must leave, else the least busy of those beyond what is wanted, from a host with
 * most of them, so that those which stay are kept apart; of those alike the youngest, as the others have warmed up.
 */
function oneLess(
  view: VersionView,
  {
    target,
    current,
    staying,
    starting,
    wanted,
  }: Pick<Standing, "target" | "current"> & {
    readonly staying: readonly InstanceState[];
    readonly starting: number;
    readonly wanted: number;
  },
): Action | undefined {
  // What starts may fail, and then those that leave are still needed.
  if (starting > 0) return undefined;
  for (const instance of current) {
    const why = view.advice.leaving.get(instance.id);
    if (why !== undefined && staying.length > 0)
      return { kind: "retire", target, instance, reason: why.reason };
  }
  // What Consul lists may be gone: it was put back to an earlier state, or a host has just died.
  const seen = staying.filter(({ id }) => !view.advice.unseen.has(id));
  if (seen.length <= Math.max(wanted, 1)) return undefined;
  const calls = ({ address }: InstanceState) => view.load.endpoints.get(address)?.inProgress ?? 0;
  const beside = new Map<string, number>();
  for (const { host } of staying) beside.set(host, (beside.get(host) ?? 0) + 1);
  const crowd = ({ host }: InstanceState) => beside.get(host) ?? 0;
  const startedMs = ({ startedAtMs = 0 }: InstanceState) => startedAtMs;
  const [instance] = [...staying].sort(
    (a, b) =>
      crowd(b) - crowd(a) || calls(a) - calls(b) || startedMs(b) - startedMs(a) || (a.id < b.id ? 1 : -1),
  );
  return instance && { kind: "retire", target, instance, reason: "fewer instances are needed" };
}

/** Those that leave at a given time do so, whether anything takes their place or not. */
function retireOverdue(
  view: VersionView,
  target: Target,
  current: readonly InstanceState[],
  { nowMs }: PlanContext,
): Plan {
  const actions: Action[] = [];
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const instance of current) {
    const why = view.advice.leaving.get(instance.id);
    if (why?.byMs === undefined) continue;
    if (nowMs >= why.byMs) actions.push({ kind: "retire", target, instance, reason: why.reason });
    else lookAgainMs = Math.min(lookAgainMs, why.byMs);
  }
  return { actions, lookAgainMs };
}

function idleAt(view: VersionView, current: readonly InstanceState[]): number | undefined {
  const { manifest } = view.state;
  if (current.length === 0 || manifest.minInstances > 0 || manifest.idleTimeoutMs === 0) return undefined;
  return view.advice.busy ? undefined : view.lastActiveMs + manifest.idleTimeoutMs;
}

/** Stops retiring instances that have no calls any more, or that had all the time there is. */
function stopRetiring(
  view: VersionView,
  alive: readonly InstanceState[],
  { nowMs }: PlanContext,
  keep: Places,
): Plan {
  const actions: Action[] = [];
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const instance of alive) {
    if (instance.retiring !== true) continue;
    const { id, generation, address } = instance;
    const sinceMs = view.retiringSinceMs(id);
    const { stopByMs = Number.POSITIVE_INFINITY } = view.advice.leaving.get(id) ?? {};
    const endMs = Math.min(sinceMs + retiringMs(view.state.manifest), Math.max(stopByMs, sinceMs + NEWS_MS));
    const open = view.load.endpoints.get(address)?.inProgress ?? 0;
    const quiet = open === 0 && view.load.untilMs >= sinceMs + NEWS_MS;
    const heldUntilMs = view.advice.held.get(id) ?? 0;
    if (nowMs < heldUntilMs && nowMs < stopByMs) lookAgainMs = Math.min(lookAgainMs, heldUntilMs);
    else if (quiet || view.drained(generation) || nowMs >= endMs) {
      const target = { service: view.service, version: view.version, generation };
      const frozen = quiet ? keep.suspend(instance, "retired") : undefined;
      actions.push(frozen ?? { kind: "stop", target, instance, reason: "retired" });
    } else lookAgainMs = Math.min(lookAgainMs, endMs, nowMs + LOADS_PAUSE_MS);
  }
  return { actions, lookAgainMs };
}

/** How long a retiring instance may take for its calls: as long as the contract lets one take, ms. */
export function retiringMs({ methods }: Pick<VersionManifest, "methods">): number {
  const longest = methods.map(({ deadlineMs }) => (deadlineMs === 0 ? MOST_RETIRING_MS : deadlineMs));
  return Math.min(Math.max(LEAST_RETIRING_MS, ...longest), MOST_RETIRING_MS);
}

function stopFormer(
  view: VersionView,
  former: readonly InstanceState[],
  context: PlanContext,
  reason: string,
  keep: Places | undefined,
): Plan {
  const actions: Action[] = [];
  let lookAgainMs = Number.POSITIVE_INFINITY;
  const stopped = view.state.activation.stopped !== undefined;
  for (const instance of former) {
    const { stopByMs } = view.advice.leaving.get(instance.id) ?? {};
    const drainEnd = stopped ? view.drainingSinceMs(instance.generation) + context.stopDrainMs : stopByMs;
    if (view.drained(instance.generation) || (drainEnd !== undefined && context.nowMs >= drainEnd)) {
      const target = { service: view.service, version: view.version, generation: instance.generation };
      actions.push(keep?.suspend(instance, reason) ?? { kind: "stop", target, instance, reason });
    } else if (drainEnd !== undefined) {
      lookAgainMs = Math.min(lookAgainMs, drainEnd);
    }
  }
  return { actions, lookAgainMs };
}

function once(action: Action): Plan {
  return { actions: [action], lookAgainMs: Number.POSITIVE_INFINITY };
}

function later(lookAgainMs: number): Plan {
  return { actions: [], lookAgainMs };
}

function merge(...plans: readonly Plan[]): Plan {
  return {
    actions: plans.flatMap(({ actions }) => actions),
    lookAgainMs: Math.min(...plans.map((plan) => plan.lookAgainMs)),
  };
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
