import type { MeshState } from "../../registry/state.ts";
import { clusterName, parseClusterName, type Target } from "../../registry/target.ts";
import type { Endpoint } from "../resources/endpoints.ts";
import type { FormerGeneration } from "../resources/plan.ts";

/**
 * Former generations whose instances were taken over into the current one.
 *
 * Calls that are open on them go on, so their clusters stay until they have drained: as long as Envoy has the cluster, it
 * reports those calls, and the version does not pass for idle.
 */
export class FormerGenerations {
  /** By cluster name. */
  readonly #kept = new Map<string, FormerGeneration & Target>();
  readonly #drained = new Set<string>();

  /**
   * Notes which instances changed their generation between two states, and forgets what is registered no more.
   *
   * @param changed Names of the services that may differ; default: all.
   */
  compare(before: MeshState, after: MeshState, changed: Iterable<string> = after.services.keys()): void {
    for (const [name, { service, version }] of this.#kept) {
      if (after.services.get(service)?.versions.has(version) !== true) this.#kept.delete(name);
    }
    for (const service of changed) {
      for (const [version, now] of after.services.get(service)?.versions ?? []) {
        const then = before.services.get(service)?.versions.get(version);
        if (then === undefined || then === now) continue;
        const generations = new Map(now.instances.map(({ id, generation }) => [id, generation]));
        const left = new Set(generations.values());
        for (const { id, generation, address, standby } of then.instances) {
          // One that was frozen had no calls.
          if (standby === undefined && (generations.get(id) ?? 0) > generation && !left.has(generation)) {
            this.#keep({ service, version, generation }, { id, address, draining: false });
          }
        }
      }
    }
  }

  of(service: string, version: string): FormerGeneration[] {
    return [...this.#kept.values()].filter((kept) => kept.service === service && kept.version === version);
  }

  /** @returns the versions that have any. */
  versions(): Iterable<Target> {
    return this.#kept.values();
  }

  /** No call is open on it. @returns whether its cluster was kept. */
  drained(target: Target): boolean {
    const name = clusterName(target);
    // What has drained before it is taken over need not be kept.
    this.#drained.add(name);
    for (const old of this.#drained) {
      const other = parseClusterName(old);
      if (
        other?.service === target.service &&
        other.version === target.version &&
        other.generation < target.generation
      ) {
        this.#drained.delete(old);
      }
    }
    return this.#kept.delete(name);
  }

  #keep(target: Target, endpoint: Endpoint): void {
    const name = clusterName(target);
    if (this.#drained.has(name)) return;
    const endpoints = this.#kept.get(name)?.endpoints ?? [];
    this.#kept.set(name, {
      ...target,
      endpoints: [...endpoints.filter(({ id }) => id !== endpoint.id), endpoint],
    });
  }
}
