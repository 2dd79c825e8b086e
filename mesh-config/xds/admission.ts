/** Envoys that are brought up to date at one time. */
const AT_ONCE = 20;
/** One that takes longer than this gives its place away, ms; it is served all the same. */
const LONGEST_MS = 5_000;

/**
 * Lets streams in a few at a time. When all Envoys come at once, after a restart or a network that was away, each gets all it
 * follows anew: the memory for that is bounded, those who are in are served without a pause, and changes go out to them meanwhile.
 */
export class Admission {
  readonly #waiting = new Set<() => void>();
  readonly #atOnce: number;
  readonly #longestMs: number;
  #inside = 0;

  constructor(atOnce = AT_ONCE, longestMs = LONGEST_MS) {
    this.#atOnce = atOnce;
    this.#longestMs = longestMs;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `start` at once or when there is a place.
   *
   * @returns what gives the place, or the turn, back; to be called once the stream has what it needs, and when it ends.
   */
  enter(start: () => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    let left = false;
    const begin = () => {
      if (left) return;
      timer = setTimeout(leave, this.#longestMs).unref();
      start();
    };
    const leave = () => {
      if (left) return;
      left = true;
      if (this.#waiting.delete(begin)) return;
      clearTimeout(timer);
      this.#inside--;
      this.#next();
    };
    if (this.#inside < this.#atOnce) {
      this.#inside++;
      begin();
    } else this.#waiting.add(begin);
    return leave;
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    this.#inside++;
    // Not within the turn of the one that leaves: other streams come in between.
    setImmediate(first);
  }
}
