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

/** Entries that the function went on from before they were on disk. */
export class Unflushed {
  readonly #indexes = new Set<number>();
  #waiting: (() => void)[] = [];

  add(index: number): void {
    this.#indexes.add(index);
  }

  /** False: it was none of them. */
  delete(index: number): boolean {
    if (!this.#indexes.delete(index)) return false;
    if (this.#indexes.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    return true;
  }

  /** Undefined: all are on disk now. */
  untilNone(): Promise<void> | undefined {
    if (this.#indexes.size === 0) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
