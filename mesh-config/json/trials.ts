/**
 * Finds those members of a set that make the whole be refused. What was accepted once is trusted; what is new is tried together
 * with it, and after a refusal by halves, until the bad ones are alone.
 */
export class Trials<T> {
  readonly #trusted = new Set<T>();
  readonly #refused = new Map<T, string>();
  #all: readonly T[] = [];
  /** What is on trial now. */
  #trial: readonly T[] = [];
  /** Halves of what was refused, the next one last. */
  readonly #halves: (readonly T[])[] = [];

  /** @returns the members to send now. */
  begin(all: readonly T[]): ReadonlySet<T> {
    const there = new Set(all);
    for (const one of this.#trusted) if (!there.has(one)) this.#trusted.delete(one);
    for (const one of this.#refused.keys()) if (!there.has(one)) this.#refused.delete(one);
    this.#all = all;
    this.#trial = this.#next(new Set(this.#fresh()));
    return new Set([...this.#trusted, ...this.#trial]);
  }

  /** Why a member is left out; undefined when it is not. */
  refusal(one: T): string | undefined {
    return this.#refused.get(one);
  }

  /** @returns whether there is more to try. */
  accepted(): boolean {
    for (const one of this.#trial) this.#trusted.add(one);
    this.#trial = [];
    this.#halves.pop();
    return this.#fresh().length > 0;
  }

  /** @returns the bad one when it is found. */
  refused(message: string): T | undefined {
    const [first] = this.#trial;
    this.#halves.pop();
    if (first === undefined) {
      // What was trusted is refused by another Envoy, or after a removal: it all has to show itself anew.
      this.#trusted.clear();
      return undefined;
    }
    if (this.#trial.length === 1) {
      this.#refused.set(first, message);
      return first;
    }
    const middle = Math.ceil(this.#trial.length / 2);
    this.#halves.push(this.#trial.slice(middle), this.#trial.slice(0, middle));
    return undefined;
  }

  /** The half that is next, or else all that is new; members may be gone meanwhile. */
  #next(fresh: ReadonlySet<T>): T[] {
    for (let half = this.#halves.at(-1); half !== undefined; half = this.#halves.at(-1)) {
      const left = half.filter((one) => fresh.has(one));
      if (left.length > 0) return left;
      this.#halves.pop();
    }
    return [...fresh];
  }

  #fresh(): T[] {
    return this.#all.filter((one) => !this.#trusted.has(one) && !this.#refused.has(one));
  }
}
