/** Whose turn it is: of those with the same key one at a time, in the order in which they came. */
export class Turns {
  readonly #lines = new Map<string, string[]>();

  /** @returns whether it is the one's turn already. */
  join(key: string, id: string): boolean {
    const line = this.#lines.get(key);
    if (line === undefined) {
      this.#lines.set(key, [id]);
      return true;
    }
    if (!line.includes(id)) line.push(id);
    return line[0] === id;
  }

  /** @returns whose turn it is now, if that changed. */
  leave(key: string, id: string): string | undefined {
    const line = this.#lines.get(key);
    const place = line?.indexOf(id) ?? -1;
    if (line === undefined || place < 0) return undefined;
    line.splice(place, 1);
    if (line.length === 0) this.#lines.delete(key);
    return place === 0 ? line[0] : undefined;
  }

  /** How many stand before the one. */
  before(key: string, id: string): number {
    return Math.max(0, this.#lines.get(key)?.indexOf(id) ?? 0);
  }
}
