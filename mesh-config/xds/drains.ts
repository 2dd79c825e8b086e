import { clusterName, parseClusterName, type Target } from "../../registry/target.ts";
import type { Control } from "./control.ts";
import type { Loads } from "./loads.ts";
import type { DeltaStream } from "./stream.ts";

/** An Envoy that lost its connection still routes as it last knew; it is given so long to come back, ms. */
const GRACE_MS = 10_000;

interface Drain {
  readonly target: Target;
  /** Route table → first snapshot whose content of it no longer points to the generation. */
  readonly routes: ReadonlyMap<string, number>;
  /** When each Envoy was seen to have accepted those routes, ms of `performance.now()`. */
  readonly turned: Map<DeltaStream, number>;
  drained: boolean;
}

export interface DrainEvents {
  /** No call is open on a former generation any more. */
  drained(target: Target): void;
  /** An Envoy came from another control plane with calls open on it. */
  reopened(target: Target): void;
  /** Whether nobody calls a cluster's instances past Envoy any more. */
  left(cluster: string): boolean;
}

/**
 * Finds out when a former generation has no calls any more: every connected Envoy has accepted routes that point
 * elsewhere, and has since then reported an interval at whose end no call was open on it.
 */
export class Drains {
  readonly #control: Control;
  readonly #loads: Loads;
  readonly #events: DrainEvents;
  /** When each Envoy was first asked about a cluster that it brought along, ms of `performance.now()`. */
  readonly #brought = new WeakMap<DeltaStream, Map<string, number>>();
  readonly #drains = new Map<string, Drain>();
  /** Number of the snapshot whose clusters have been looked at. */
  #followed = 0;
  #graceUntil: number;
  readonly #graceMs: number;

  constructor(control: Control, loads: Loads, events: DrainEvents, graceMs = GRACE_MS) {
    this.#control = control;
    this.#loads = loads;
    this.#events = events;
    this.#graceMs = graceMs;
    // Envoys come back within the grace after a restart of this process, too.
    this.#graceUntil = performance.now() + graceMs;
  }

  /** An Envoy disconnected. */
  lost(): void {
    this.#graceUntil = performance.now() + this.#graceMs;
  }

  /** No Envoy is away that may come back. */
  get settled(): boolean {
    return performance.now() >= this.#graceUntil;
  }

  /** All that has drained and is still there. */
  *done(): Iterable<Target> {
    for (const { target, drained } of this.#drains.values()) if (drained) yield target;
  }

  /** Looks again; to be called when routes were accepted, loads reported, or the state changed, and now and then. */
  check(): void {
    this.#follow();
    const now = performance.now();
    for (const drain of this.#drains.values()) {
      if (drain.drained && this.#cameOver(drain)) {
        drain.drained = false;
        this.#events.reopened(drain.target);
      }
      if (drain.drained) continue;
      let clear = this.settled && this.#events.left(clusterName(drain.target));
      for (const stream of this.#control.streams) if (!this.#clear(drain, stream, now)) clear = false;
      if (!clear) continue;
      drain.drained = true;
      this.#events.drained(drain.target);
    }
  }

  /** An Envoy has connected since, and has the cluster from another control plane: calls may be open on it. */
  #cameOver({ target, turned }: Drain): boolean {
    const name = clusterName(target);
    return [...this.#control.streams].some(
      (stream) => !turned.has(stream) && stream.subscriptions.cluster.has(name),
    );
  }

  /**
   * Whether calls may be open on a cluster that the Envoy had from another control plane and that this one would take away:
   * until a whole interval without a call was reported. Asked when the Envoy has the newest routes.
   */
  mayHaveCalls(stream: DeltaStream, cluster: string): boolean {
    const target = parseClusterName(cluster);
    if (target === undefined || this.#control.version(target) === undefined) return false;
    const asked = this.#brought.get(stream) ?? new Map<string, number>();
    this.#brought.set(stream, asked);
    const since = asked.get(cluster) ?? performance.now();
    asked.set(cluster, since);
    return !this.#loads.quietSince(stream.node, cluster, since);
  }

  /** Takes up the former generations that still have a cluster, and drops those that have none. */
  #follow(): void {
    const { resources, number, touchedSince } = this.#control.snapshot();
    if (number === this.#followed) return;
    const { cluster, route } = resources;
    for (const name of this.#drains.keys()) if (!cluster.has(name)) this.#drains.delete(name);
    const touched = this.#followed === 0 ? undefined : touchedSince?.(this.#followed);
    this.#followed = number;
    for (const name of touched ?? cluster.keys()) {
      if (this.#drains.has(name) || !cluster.has(name)) continue;
      const target = parseClusterName(name);
      const current = target && this.#control.version(target)?.activation.generation;
      if (target === undefined || current === undefined || current <= target.generation) continue;
      const routes = new Map([...route].map(([table, { since }]) => [table, since]));
      this.#drains.set(name, { target, routes, turned: new Map(), drained: false });
    }
  }

  #clear({ target, routes, turned }: Drain, stream: DeltaStream, now: number): boolean {
    const cluster = clusterName(target);
    const { route, cluster: clusters } = stream.subscriptions;
    let since = turned.get(stream);
    if (since === undefined) {
      for (const [table, first] of routes) {
        // A table that the Envoy did not ask for does not send it any call.
        if (route.names.has(table) && (route.accepted.get(table)?.since ?? 0) < first) return false;
      }
      // Before its first requests nothing is known of what it has.
      if (route.names.size === 0) return false;
      since = now;
      turned.set(stream, since);
    }
    return !clusters.has(cluster) || this.#loads.quietSince(stream.node, cluster, since);
  }
}
