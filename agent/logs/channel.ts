/** Hands items from many producers to one consumer, who sets the pace. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #signal: AbortSignal;
  readonly #waiting: { item: T; taken: () => void }[] = [];
  #wake: () => void = () => {};

  /** @param signal ends it. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Resolves when the item was taken. */
  put(item: T): Promise<void> {
    return new Promise((taken) => {
      this.#waiting.push({ item, taken });
      this.#wake();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (!this.#signal.aborted) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      yield next.item;
      next.taken();
    }
  }
}
