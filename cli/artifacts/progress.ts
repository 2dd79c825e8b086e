import { size } from "./lines.ts";

/** How often it is told, ms. */
const EVERY_MS = 500;

/** One line on a terminal's stderr that is written over; nothing elsewhere. */
export class ProgressLine {
  readonly #what: string;
  #toldAt = performance.now();
  #told = false;

  constructor(what: string) {
    this.#what = what;
  }

  tell(bytes: number): void {
    if (!process.stderr.isTTY || performance.now() - this.#toldAt < EVERY_MS) return;
    this.#toldAt = performance.now();
    this.#told = true;
    process.stderr.write(`\r\u001b[K${this.#what} ${size(bytes)}`);
  }

  end(): void {
    if (this.#told) process.stderr.write("\r\u001b[K");
  }
}
