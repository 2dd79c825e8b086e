/** Which cores of this host are given to pinned instances. */
export class Cores {
  readonly #all: readonly number[];
  readonly #taken = new Map<string, readonly number[]>();

  /** @param all Numbers of the cores that there are. */
  constructor(all: readonly number[]) {
    this.#all = all;
  }

  /** Gives an instance as many whole cores as it needs, those with the fewest instances; the same ones when it has some. */
  take(id: string, cpu: number): readonly number[] {
    const known = this.#taken.get(id);
    if (known !== undefined) return known;
    const cores = chooseCores(this.#all, [...this.#taken.values()], cpu);
    this.#taken.set(id, cores);
    return cores;
  }

  has(id: string): boolean {
    return this.#taken.has(id);
  }

  release(id: string): void {
    this.#taken.delete(id);
  }
}

/** Pure: ⌈cpu⌉ cores, at least one, those that the fewest have, the lowest numbers first. */
export function chooseCores(
  all: readonly number[],
  taken: readonly (readonly number[])[],
  cpu: number,
): readonly number[] {
  const users = new Map(all.map((core) => [core, 0]));
  for (const core of taken.flat()) users.set(core, (users.get(core) ?? 0) + 1);
  return [...all]
    .sort((a, b) => (users.get(a) ?? 0) - (users.get(b) ?? 0) || a - b)
    .slice(0, Math.max(1, Math.ceil(cpu)))
    .sort((a, b) => a - b);
}
