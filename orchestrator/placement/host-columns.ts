import { attribute, type HostFacts } from "./host.ts";
import { powerOfNeeds } from "./score.ts";

/** The values of an attribute by slot, as small numbers. */
export interface AttributeColumn {
  readonly ids: Int32Array;
  readonly byValue: ReadonlyMap<string, number>;
}

/** The attributes of hosts, each read when it is first asked for. */
export class AttributeColumns {
  readonly #hosts: readonly HostFacts[];
  readonly #columns = new Map<string, AttributeColumn>();

  constructor(hosts: readonly HostFacts[]) {
    this.#hosts = hosts;
  }

  of(name: string): AttributeColumn {
    const known = this.#columns.get(name);
    if (known !== undefined) return known;
    const byValue = new Map<string, number>();
    const ids = Int32Array.from(this.#hosts, (host) => {
      const value = attribute(host, name);
      const id = byValue.get(value) ?? byValue.size;
      byValue.set(value, id);
      return id;
    });
    const column = { ids, byValue };
    this.#columns.set(name, column);
    return column;
  }
}

/** Hosts of one capacity share the power of what is needed of it. */
export class CapacityClasses {
  /** By slot. */
  readonly classOf: Int32Array;
  readonly #capacities: Float64Array;

  constructor(capacities: readonly number[]) {
    const distinct = [...new Set(capacities)];
    const byCapacity = new Map(distinct.map((capacity, n) => [capacity, n]));
    this.classOf = Int32Array.from(capacities, (capacity) => byCapacity.get(capacity) ?? 0);
    this.#capacities = Float64Array.from(distinct);
  }

  /** 10^(−share) by class. */
  powers(needed: number): Float64Array {
    return this.#capacities.map((capacity) => powerOfNeeds(needed, capacity));
  }
}
