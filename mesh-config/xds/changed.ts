import type { MeshState } from "../../registry/state.ts";

/**
 * Names of the services that differ between two states: what did not change is the same object in both (registry/assembler.ts).
 * One comparison for each service, 0.1 ms for 10,000; all that follows a change is then done for these alone.
 */
export function changedServices(before: MeshState | undefined, after: MeshState): Set<string> {
  const changed = new Set<string>();
  if (before === after) return changed;
  for (const [name, service] of after.services) {
    if (before?.services.get(name) !== service) changed.add(name);
  }
  for (const name of before?.services.keys() ?? []) if (!after.services.has(name)) changed.add(name);
  return changed;
}

/** Snapshots that are remembered: an Envoy that is further behind has everything looked through. */
const KEPT = 1_000;
/** Names of all of them together. */
const KEPT_NAMES = 100_000;

/** Which clusters and lists of endpoints each of the latest snapshots touched. */
export class ChangeLog {
  readonly #entries: { readonly number: number; readonly names: ReadonlySet<string> }[] = [];
  #names = 0;

  /** Notes what a snapshot touched; numbers go up by one. */
  add(number: number, names: ReadonlySet<string>): void {
    this.#entries.push({ number, names });
    this.#names += names.size;
    while (this.#entries.length > KEPT || (this.#names > KEPT_NAMES && this.#entries.length > 0)) {
      this.#names -= this.#entries.shift()?.names.size ?? 0;
    }
  }

  /**
   * What was touched after a snapshot, up to the latest; undefined when that is forgotten.
   *
   * @param number Of the snapshot.
   */
  since(number: number): Iterable<string> | undefined {
    const first = this.#entries[0]?.number ?? Number.POSITIVE_INFINITY;
    if (number + 1 < first) return undefined;
    const later = this.#entries.slice(number + 1 - first);
    if (later.length <= 1) return later[0]?.names ?? [];
    return new Set(later.flatMap(({ names }) => [...names]));
  }
}
