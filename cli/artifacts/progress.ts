import { size } from "./lines.ts";

/** How often it is told, ms. */
const EVERY_MS = 500;

/** One line on a terminal's stderr that is written over; nothing elsewhere. */
export class ProgressLine {
  readonly #name: string;
  readonly #what: string;
  #toldAt = performance.now();
  #told = false;

  /** @param what What is done to it, such as "stored". */
  constructor(name: string, what: string) {
    this.#name = name;
    this.#what = `${name}: ${what}`;
  }

  /** Says where it goes on, when it does, wherever stderr goes. */
  begin(offset: number): void {
    if (offset > 0) process.stderr.write(`${this.#name}: goes on at ${size(offset)}\n`);
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
