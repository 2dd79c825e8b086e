import { EventEmitter } from "node:events";
import { type FSWatcher, watch } from "node:fs";
import { copyFile, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogQuery, OutputLine, PlacedLine, Positions } from "../runtimes/runtime.ts";
import { LineSplitter } from "./line-splitter.ts";
import { PlacedSplitter } from "./placed-splitter.ts";

const streams = ["stdout", "stderr"] as const;
type Stream = (typeof streams)[number];

/** How much is read at once, bytes. */
const block = 64 * 1024;

/**
 * The output of one instance as two plain files that it writes itself, so that output goes on while no agent runs.
 * The files keep no times and no order between the two streams.
 */
export class OutputFiles {
  readonly #folder: string;
  readonly #id: string;

  constructor(folder: string, id: string) {
    this.#folder = folder;
    this.#id = id;
  }

  path(stream: Stream): string {
    return join(this.#folder, `${this.#id}.${stream}`);
  }

  /** Lines of the past, then those to come until `signal` or the end of `ended`. */
  async *read(query: LogQuery, ended: Promise<unknown>): AsyncGenerator<OutputLine> {
    const from = new Map<Stream, Position>();
    for (const stream of streams) {
      const cut = await timeOf(`${this.path(stream)}.1`);
      const { lines, size } = await tail(this.path(stream), query.tail);
      from.set(stream, { at: size, cut });
      for (const line of lines) yield { stream, atMs: 0, line };
    }
    if (query.follow) yield* this.#follow(from, query.signal, ended);
  }

  /** Keeps a file that has outgrown its bounds: its present content becomes the older half. */
  async bound(maxBytes: number): Promise<void> {
    for (const stream of streams) {
      const path = this.path(stream);
      const size = await sizeOf(path);
      if (size <= maxBytes / 2) continue;
      // Copy and truncate, as logrotate's copytruncate: the writer has the file open for appending and goes on at 0.
      await copyFile(path, `${path}.1`);
      await writeFile(`${path}.base`, String((await baseOf(path)) + size));
      await truncate(path, 0);
    }
  }

  async remove(): Promise<void> {
    for (const stream of streams) {
      await rm(this.path(stream), { force: true });
      await rm(`${this.path(stream)}.1`, { force: true });
      await rm(`${this.path(stream)}.base`, { force: true });
    }
  }

  /**
   * Lines behind the positions (bytes since the beginning of a stream, whatever was cut off meanwhile), then those to come
   * until the end of `ended`, or until the signal aborts. Their time is that of the file's last writing before they were read.
   */
  async *after(
    positions: Positions,
    ended: Promise<unknown>,
    signal: AbortSignal,
  ): AsyncGenerator<PlacedLine> {
    const from = new Map<Stream, Position>();
    const splitters = {} as Record<Stream, PlacedSplitter>;
    for (const stream of streams) {
      const { position, start } = await this.#place(stream, positions[stream]);
      from.set(stream, position);
      splitters[stream] = new PlacedSplitter(start);
    }
    const bell = new Bell();
    const ring = () => bell.ring();
    signal.addEventListener("abort", ring, { once: true });
    let over = false;
    void ended.then(() => {
      over = true;
      bell.ring();
    });
    const watchers = streams.map((stream) => watchFile(this.path(stream), ring));
    try {
      while (!signal.aborted) {
        const last = over;
        for (const stream of streams) {
          const atMs = Math.floor(Math.min(Date.now(), (await timeOf(this.path(stream))) || Date.now()));
          for await (const chunk of this.#since(stream, from))
            for (const line of splitters[stream].push(chunk)) yield { stream, atMs, ...line };
          if (last) for (const line of splitters[stream].end()) yield { stream, atMs, ...line };
        }
        if (last) return;
        await bell.wait();
      }
    } finally {
      for (const watcher of watchers) watcher?.close();
      signal.removeEventListener("abort", ring);
    }
  }

  /** Where in the files a position is; of what is cut off, the beginning of what is left. */
  async #place(stream: Stream, wanted: number): Promise<{ position: Position; start: number }> {
    const path = this.path(stream);
    const cut = await timeOf(`${path}.1`);
    const base = await baseOf(path);
    if (wanted >= base || cut === 0) {
      const at = Math.max(0, wanted - base);
      // A position behind the end is of another file.
      return at <= (await sizeOf(path))
        ? { position: { at, cut }, start: base + at }
        : { position: { at: 0, cut }, start: wanted };
    }
    const older = base - (await sizeOf(`${path}.1`));
    const at = Math.max(0, wanted - older);
    return { position: { at, cut: 0 }, start: older + at };
  }

  async *#follow(
    from: Map<Stream, Position>,
    signal: AbortSignal | undefined,
    ended: Promise<unknown>,
  ): AsyncGenerator<OutputLine> {
    const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
    const bell = new Bell();
    const stop = () => bell.ring();
    signal?.addEventListener("abort", stop, { once: true });
    let over = false;
    void ended.then(() => {
      over = true;
      bell.ring();
    });
    const watchers = streams.map((stream) => watchFile(this.path(stream), () => bell.ring()));
    try {
      while (signal?.aborted !== true) {
        const last = over;
        for (const stream of streams) {
          for await (const chunk of this.#since(stream, from)) {
            for (const line of splitters[stream].push(chunk)) yield { stream, atMs: 0, line };
          }
        }
        if (last) break;
        await bell.wait();
      }
      for (const stream of streams) {
        for (const line of splitters[stream].end()) yield { stream, atMs: 0, line };
      }
    } finally {
      for (const watcher of watchers) watcher?.close();
      signal?.removeEventListener("abort", stop);
    }
  }

  /** What has been written since the last time, also when the file was cut meanwhile. */
  async *#since(stream: Stream, from: Map<Stream, Position>): AsyncGenerator<Buffer> {
    const path = this.path(stream);
    const before = from.get(stream) ?? { at: 0, cut: 0 };
    const cut = await timeOf(`${path}.1`);
    let { at } = before;
    if (cut !== before.cut) {
      yield* bytesOf(`${path}.1`, at);
      at = 0;
    }
    for await (const chunk of bytesOf(path, at)) {
      at += chunk.length;
      yield chunk;
    }
    from.set(stream, { at, cut });
  }
}

/** How far a file has been read, and when it was cut last. */
interface Position {
  readonly at: number;
  readonly cut: number;
}

/** A file's content from an offset on, as far as it goes now. */
async function* bytesOf(path: string, from: number): AsyncGenerator<Buffer> {
  const size = await sizeOf(path);
  if (size <= from) return;
  const file = await open(path);
  try {
    for (let at = from; at < size; ) {
      const length = Math.min(block, size - at);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Removes output files of instances that `keep` does not name. */
export async function sweepOutput(folder: string, keep: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    const id = name.split(".")[0] ?? "";
    if (!keep.has(id)) await rm(join(folder, name), { force: true });
  }
}

/** Rings once for any number of pulls before the wait. */
class Bell {
  readonly #events = new EventEmitter();
  #rung = false;

  ring(): void {
    this.#rung = true;
    this.#events.emit("ring");
  }

  async wait(): Promise<void> {
    if (!this.#rung) await new Promise<void>((resolve) => this.#events.once("ring", resolve));
    this.#rung = false;
  }
}

async function tail(path: string, count: number): Promise<{ lines: string[]; size: number }> {
  const size = await sizeOf(path);
  const lines = count > 0 ? await lastLines(path, size, count) : [];
  if (count > lines.length && (await sizeOf(`${path}.1`)) > 0) {
    const older = await lastLines(`${path}.1`, await sizeOf(`${path}.1`), count - lines.length);
    return { lines: [...older, ...lines], size };
  }
  return { lines, size };
}

/** Reads blocks from the end until there are enough lines. */
async function lastLines(path: string, size: number, count: number): Promise<string[]> {
  if (size === 0) return [];
  const file = await open(path);
  try {
    let bytes = Buffer.alloc(0);
    for (let at = size; at > 0; ) {
      const length = Math.min(block, at);
      at -= length;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
      bytes = Buffer.concat([buffer.subarray(0, bytesRead), bytes]);
      if (newlines(bytes) > count) break;
    }
    const splitter = new LineSplitter();
    return [...splitter.push(bytes), ...splitter.end()].slice(-count);
  } finally {
    await file.close();
  }
}

function newlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

/** When a file was written last, ms since 1970; 0 when there is none. */
async function timeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    return 0;
  }
}

/** Bytes of a stream that lie before its present file. */
async function baseOf(path: string): Promise<number> {
  try {
    return Number(await readFile(`${path}.base`, "utf8")) || 0;
  } catch {
    return 0;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function watchFile(path: string, changed: () => void): FSWatcher | undefined {
  try {
    return watch(path, changed);
  } catch {
    return undefined;
  }
}
