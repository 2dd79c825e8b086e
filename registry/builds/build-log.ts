import { EventEmitter } from "node:events";
import type { BuildRecord, BuildStore, LogLine } from "./store.ts";

/** Lines that are still shown of a step when the log is full. */
const TAIL_LINES = 100;
/** What a line takes beside its text. */
const LINE_BYTES = 32;

/** Writes the log of one build while it runs: all of it up to a limit, then the last lines of each step only. */
export class BuildLog {
  readonly #store: BuildStore;
  readonly #seq: number;
  readonly #changed: () => void;
  readonly #limit: number;
  #bytes = 0;
  #tail: LogLine[] = [];
  #leftOut = 0;

  /** @param limit bytes. @param changed told after each write. */
  constructor(store: BuildStore, { seq }: BuildRecord, limit: number, changed: () => void) {
    this.#store = store;
    this.#seq = seq;
    this.#limit = limit;
    this.#changed = changed;
  }

  write(step: string, lines: readonly string[]): void {
    const atMs = Date.now();
    const kept: LogLine[] = [];
    for (const line of lines) {
      this.#bytes += Buffer.byteLength(line) + LINE_BYTES;
      if (this.#bytes <= this.#limit) {
        kept.push({ atMs, step, line });
        continue;
      }
      this.#tail.push({ atMs, step, line });
      if (this.#tail.length > TAIL_LINES) {
        this.#tail.shift();
        this.#leftOut++;
      }
    }
    this.#append(kept);
  }

  /** Writes what was held back of a step that has ended. */
  endStep(step: string): void {
    const atMs = Date.now();
    const note = `… ${this.#leftOut} lines are left out: the log of a build holds ${Math.round(this.#limit / 1024)} KiB, and then the last ${TAIL_LINES} lines of a step.`;
    this.#append([...(this.#leftOut === 0 ? [] : [{ atMs, step, line: note }]), ...this.#tail]);
    this.#tail = [];
    this.#leftOut = 0;
  }

  #append(lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    this.#store.append(this.#seq, lines);
    this.#changed();
  }
}

/** Tells readers of a log that a build has changed. */
export class BuildNews {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  tell(id: string): void {
    this.#emitter.emit(id);
  }

  tellAll(): void {
    for (const id of this.#emitter.eventNames()) this.#emitter.emit(id);
  }

  /** @param listener called at every change until the function that is returned is called. */
  follow(id: string, listener: () => void): () => void {
    this.#emitter.on(id, listener);
    return () => this.#emitter.off(id, listener);
  }
}
