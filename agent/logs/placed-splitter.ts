/** Longest line that is kept whole, bytes. */
const MAX_LINE = 64 * 1024;
const NEWLINE = 10;

/** Makes lines of chunks, and says where in the stream each ends. */
export class PlacedSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #at: number;

  /** @param start Position of the first byte. */
  constructor(start: number) {
    this.#at = start;
  }

  *push(chunk: Buffer): Generator<{ line: string; position: number }> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = this.#rest.indexOf(NEWLINE); end >= 0; end = this.#rest.indexOf(NEWLINE))
      yield this.#take(end, end + 1);
    if (this.#rest.length > MAX_LINE) yield this.#take(this.#rest.length, this.#rest.length);
  }

  /** The last line when it has no end. */
  *end(): Generator<{ line: string; position: number }> {
    if (this.#rest.length > 0) yield this.#take(this.#rest.length, this.#rest.length);
  }

  #take(length: number, bytes: number): { line: string; position: number } {
    const line = this.#rest.toString("utf8", 0, length).replace(/\r$/, "");
    this.#rest = this.#rest.subarray(bytes);
    this.#at += bytes;
    return { line, position: this.#at };
  }
}
