import type { AttributeColumn } from "./host-columns.ts";
import { count, type HostRow } from "./host-rows.ts";

/** Where the instances of a version or a service are, kept by adding and removing. */
export class Tally {
  /** Instances by host. */
  readonly rows = new Map<HostRow, number>();
  /** By attribute: instances by the number of its value. */
  readonly #byAttribute = new Map<
    string,
    { readonly column: AttributeColumn; readonly counts: Int32Array }
  >();

  change(row: HostRow, by: 1 | -1): void {
    count(this.rows, row, by);
    for (const { column, counts } of this.#byAttribute.values()) {
      const id = column.ids[row.slot] as number;
      counts[id] = (counts[id] as number) + by;
    }
  }

  /** Instances by the number of an attribute's value; not to be changed. */
  counts(attribute: string, column: AttributeColumn): Int32Array {
    const known = this.#byAttribute.get(attribute);
    if (known !== undefined) return known.counts;
    const counts = new Int32Array(column.byValue.size);
    for (const [row, here] of this.rows) {
      const id = column.ids[row.slot] as number;
      counts[id] = (counts[id] as number) + here;
    }
    this.#byAttribute.set(attribute, { column, counts });
    return counts;
  }
}

/** Tallies by name, those that are empty left out. */
export class Tallies {
  readonly #tallies = new Map<string, Tally>();

  of(name: string | undefined): Tally | undefined {
    return name === undefined ? undefined : this.#tallies.get(name);
  }

  /** Hosts with an instance. */
  rows(name: string | undefined): Iterable<HostRow> {
    return this.of(name)?.rows.keys() ?? [];
  }

  change(name: string, row: HostRow, by: 1 | -1): void {
    const tally = this.#tallies.get(name) ?? new Tally();
    this.#tallies.set(name, tally);
    tally.change(row, by);
    if (tally.rows.size === 0) this.#tallies.delete(name);
  }
}
