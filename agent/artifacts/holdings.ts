/**
 * The bundles (by digest) and images (by name) that this host has already, so that who places instances knows. A hint: what is
 * named may be gone, and is fetched again then.
 */
export class Holdings {
  readonly #held = new Set<string>();
  readonly #watchers = new Set<() => void>();

  get all(): ReadonlySet<string> {
    return this.#held;
  }

  add(artifact: string): void {
    if (artifact === "" || this.#held.has(artifact)) return;
    this.#held.add(artifact);
    for (const watcher of this.#watchers) watcher();
  }

  remove(artifact: string): void {
    if (this.#held.delete(artifact)) for (const watcher of this.#watchers) watcher();
  }

  /** Tells each change. @returns what stops that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** What came and what went since that was told, which is brought up to date. */
  newsSince(told: Set<string>): { readonly held: string[]; readonly heldNoMore: string[] } {
    const held = [...this.#held].filter((one) => !told.has(one));
    const heldNoMore = [...told].filter((one) => !this.#held.has(one));
    for (const one of held) told.add(one);
    for (const one of heldNoMore) told.delete(one);
    return { held, heldNoMore };
  }
}
