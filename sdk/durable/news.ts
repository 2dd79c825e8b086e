/** Wakes whoever waits for something new; one waits at a time. */
export class News {
  #wake: (() => void) | undefined;

  tell(): void {
    this.#wake?.();
  }

  /** Resolves when there is something new, or after so many ms. */
  async next(withinMs?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (withinMs !== undefined) timer = setTimeout(resolve, withinMs);
    });
    clearTimeout(timer);
  }
}

/** Entries that the function went on from before they were on disk. They come there in the order in which they were added. */
export class Unflushed {
  /** Who waits for each. */
  readonly #waiting = new Map<number, (() => void)[]>();
  #last = -1;

  get size(): number {
    return this.#waiting.size;
  }

  add(index: number): void {
    this.#waiting.set(index, []);
    this.#last = index;
  }

  /** False: it was none of them. */
  delete(index: number): boolean {
    const waiting = this.#waiting.get(index);
    this.#waiting.delete(index);
    for (const resolve of waiting ?? []) resolve();
    return waiting !== undefined;
  }

  /** Resolves when those that are there now are on disk; undefined: all are. */
  untilWritten(): Promise<void> | undefined {
    const waiting = this.#waiting.get(this.#last);
    return waiting && new Promise((resolve) => waiting.push(resolve));
  }
}
