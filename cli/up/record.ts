import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { startTime } from "../../setup/lock.mjs";

const schema = z.array(
  z.object({ name: z.string(), pid: z.number().int(), start: z.string(), ready: z.boolean() }),
);
export type ChildEntry = z.infer<typeof schema>[number];

/** How long a left-over process may take to end by itself, ms. */
const GRACE_MS = 5_000;
/** What finds no room on the disk is written again after this time, ms. */
const AGAIN_MS = 1_000;

/** The children that run, on disk (children.json of the data folder): whatever way `rouse up` ends, the next one can end what it left behind. */
export class ChildRecord {
  readonly #file: string;
  #entries: ChildEntry[] = [];
  #again: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  add(name: string, pid: number): void {
    this.#entries.push({ name, pid, start: startTime(pid), ready: false });
    this.#write();
  }

  markReady(pid: number): void {
    this.#entries = this.#entries.map((entry) => (entry.pid === pid ? { ...entry, ready: true } : entry));
    this.#write();
  }

  remove(pid: number): void {
    this.#entries = this.#entries.filter((entry) => entry.pid !== pid);
    this.#write();
  }

  /**
   * Ends the children that a killed `rouse up` left. A process counts only when its start time is the recorded one:
   * ids are used again.
   *
   * @returns their names.
   */
  async endLeftovers(): Promise<string[]> {
    const left = readChildren(this.#file).filter(isAlive);
    for (const { pid } of left) kill(pid, "SIGTERM");
    const deadline = performance.now() + GRACE_MS;
    while (left.some(isAlive) && performance.now() < deadline) await sleep(20);
    for (const { pid } of left.filter(isAlive)) kill(pid, "SIGKILL");
    while (left.some(isAlive)) await sleep(20);
    return left.map(({ name }) => name);
  }

  #write(): void {
    if (this.#entries.length === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(this.#entries));
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      // The mesh must not end for a full disk; what was written last helps to find most of what a kill would leave meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => this.#write(), AGAIN_MS).unref();
    }
  }
}

/** What children.json of a data folder says; empty when there is none. */
export function readChildren(file: string): ChildEntry[] {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return [];
  }
}

function isAlive({ pid, start }: ChildEntry): boolean {
  return start !== "" && startTime(pid) === start;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}
