import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "pino";

/** So much is read at once, and a file that is longer is emptied when all of it has been read, bytes. */
const MOST_BYTES = 1 << 20;
/** A file that is longer is emptied whatever it holds, bytes. */
const FULL_BYTES = 4 * MOST_BYTES;
/** The file is looked at so often where nobody says that it has changed, ms. */
const LOOK_MS = 5_000;

/**
 * Follows a file of lines that another program appends to, and keeps it short. A file that is not there, cannot be read or
 * holds something else only means that there is nothing to tell.
 */
export class OutlierFile {
  readonly #file: string;
  readonly #take: (lines: readonly string[], isFirst: boolean) => void;
  readonly #log: Logger;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #offset = 0;
  #isFirst = true;
  #failed = "";
  #reading: Promise<void> | undefined;
  #isDue = false;
  #closed = false;

  /** @param take Told each whole line; `isFirst`: what was there when it began to follow. Must not throw. */
  constructor(file: string, take: (lines: readonly string[], isFirst: boolean) => void, log: Logger) {
    this.#file = file;
    this.#take = take;
    this.#log = log;
  }

  start(): void {
    const folder = dirname(this.#file);
    try {
      mkdirSync(folder, { recursive: true });
      // The folder, for the file may come later, or be another one.
      this.#watcher = watch(folder, () => this.look()).unref();
      this.#watcher.on("error", () => undefined);
    } catch (err) {
      this.#log.warn(
        { err, folder, everyMs: LOOK_MS },
        "a folder cannot be watched; its file is read now and then",
      );
    }
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
    this.look();
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#watcher?.close();
    await this.#reading;
  }

  /** Reads what is new. */
  look(): void {
    this.#isDue = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
  }

  async #readAll(): Promise<void> {
    while (this.#isDue && !this.#closed) {
      this.#isDue = false;
      try {
        await this.#read();
        this.#failed = "";
      } catch (err) {
        const code = String((err as NodeJS.ErrnoException).code ?? "");
        // Its Envoy has not been started yet.
        if (code === "ENOENT") this.#offset = 0;
        else if (code !== this.#failed)
          this.#log.warn(
            { err, file: this.#file },
            "what Envoy leaves out cannot be read; it is tried again",
          );
        this.#failed = code;
      }
    }
  }

  async #read(): Promise<void> {
    const handle = await open(this.#file, "r+");
    try {
      const { size } = await handle.stat();
      if (size < this.#offset) this.#offset = 0;
      this.#offset = Math.max(this.#offset, size - MOST_BYTES);
      const lines = await this.#linesOf(handle, size);
      const isFirst = this.#isFirst;
      this.#isFirst = false;
      // Envoy goes on at the end of the file, wherever that is. What it writes at this very moment is lost, and will come again
      // as long as the instance does badly.
      if (size > MOST_BYTES && (this.#offset === size || size > FULL_BYTES)) {
        await handle.truncate(0);
        this.#offset = 0;
      }
      if (lines.length > 0) this.#take(lines, isFirst);
    } finally {
      await handle.close();
    }
  }

  /** The whole lines from where it stopped. */
  async #linesOf(handle: FileHandle, size: number): Promise<string[]> {
    if (size === this.#offset) return [];
    const bytes = Buffer.alloc(size - this.#offset);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, this.#offset);
    const end = bytes.subarray(0, bytesRead).lastIndexOf(10) + 1;
    this.#offset += end;
    return bytes
      .toString("utf8", 0, end)
      .split("\n")
      .filter((line) => line !== "");
  }
}
