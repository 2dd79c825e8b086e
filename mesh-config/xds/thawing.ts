import type { InstanceState, VersionState } from "../../registry/state.ts";
import type { Endpoint } from "../resources/endpoints.ts";
import { endpointOf } from "../resources/plan.ts";

/**
 * Instances on standby that Envoys are sent while they are being thawed: their sockets take connections and calls
 * already, so that the one need not wait for the other.
 */
export class Thawing {
  /** By cluster name, at most one instance each. */
  readonly #endpoints = new Map<string, Endpoint>();
  /** Ids of those that were not thawed in time: nobody is sent to them any more. */
  readonly #failed = new Set<string>();

  /** Chooses the instance that calls held for a cluster are sent to; undefined when none is on standby. */
  choose(cluster: string, version: VersionState): Endpoint | undefined {
    const chosen = this.#endpoints.get(cluster) ?? this.#latest(version);
    if (chosen !== undefined) this.#endpoints.set(cluster, chosen);
    return chosen;
  }

  of(cluster: string): Endpoint | undefined {
    return this.#endpoints.get(cluster);
  }

  /** The orchestrator, or Consul, has told how it went. @returns whether it was thawing. */
  settle(cluster: string): boolean {
    return this.#endpoints.delete(cluster);
  }

  /** It was not thawed in time. */
  fail(cluster: string): boolean {
    const endpoint = this.#endpoints.get(cluster);
    if (endpoint !== undefined) this.#failed.add(endpoint.id);
    return this.settle(cluster);
  }

  /** Takes a new state of the version. @returns whether the cluster lost the instance that was thawing for it. */
  reconcile(cluster: string, version: VersionState): boolean {
    const there = new Map(version.instances.map((instance) => [instance.id, instance]));
    for (const id of this.#failed) if (there.get(id)?.standby === undefined) this.#failed.delete(id);
    const endpoint = this.#endpoints.get(cluster);
    return endpoint !== undefined && there.get(endpoint.id)?.standby === undefined && this.settle(cluster);
  }

  /** The one that was used last: what it needs is most likely still at hand. */
  #latest({ instances }: VersionState): Endpoint | undefined {
    const lastUsedMs = ({ standby }: InstanceState) => standby?.lastUsedMs ?? 0;
    const [latest] = instances
      .filter(({ id, standby, healthy, draining }) => {
        return standby !== undefined && healthy && !draining && !this.#failed.has(id);
      })
      .sort((a, b) => lastUsedMs(b) - lastUsedMs(a) || (a.id < b.id ? -1 : 1));
    return latest && endpointOf(latest);
  }
}
