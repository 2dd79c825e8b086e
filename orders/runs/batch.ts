/**
 * Takes what comes while a statement is under way as one statement more: many runs share a commit, and a lone one waits for nobody.
 * When a statement fails, what came meanwhile fails with it, as that may rest on it.
 */
export class Batch<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #most: number;
  #queue: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  #writing = false;

  /**
   * @param most items of one statement.
   * @param write answers with a result for each item, in their order.
   */
  constructor(most: number, write: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#most = most;
    this.#write = write;
  }

  /** Resolves when the item's statement is committed; rejects when that fails. */
  add(item: Item): Promise<Result> {
    const promise = new Promise<Result>((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
    });
    if (!this.#writing) void this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#queue.length > 0) {
      const taken = this.#queue.splice(0, this.#most);
      try {
        const results = await this.#write(taken.map(({ item }) => item));
        for (const [place, { resolve }] of taken.entries()) resolve(results[place] as Result);
      } catch (error) {
        for (const { reject } of [...taken, ...this.#queue.splice(0)]) reject(error);
      }
    }
    this.#writing = false;
  }
}
