import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RouseError } from "../../sdk/errors.ts";
import type { ChildRecord } from "./record.ts";

/** One program that `rouse up` keeps running. */
export interface ChildSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** True for our own Node programs: they end when this process does, even if it is killed. */
  readonly ours: boolean;
  /** Resolves when it serves; gives up when the signal aborts. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** How it is asked to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** From that to SIGKILL, ms. */
  readonly graceMs: number;
}

export interface ChildContext {
  /** Folder of the logs. */
  readonly logs: string;
  readonly record: ChildRecord;
  /** Tells the user one line. */
  readonly say: (line: string) => void;
}

/** Longest time from a child's start to its readiness, ms. */
const READY_MS = 60_000;
/** Pauses before the 1st, 2nd, … restart in a row, ms; the last one goes on. */
const BACKOFF_MS = [100, 500, 1_000, 2_000, 5_000, 10_000];
/** A child that ran for so long has its restarts forgotten, ms. */
const STEADY_MS = 30_000;
/** A log larger than this is set aside at the next start, bytes. */
const LOG_BYTES = 16 * 2 ** 20;

/** Starts a program, waits for its readiness, and starts it again whenever it ends until {@link stop}. */
export class Child {
  readonly name: string;
  /** Its output. */
  readonly log: string;
  readonly #spec: ChildSpec;
  readonly #context: ChildContext;
  readonly #stopping = new AbortController();
  #process: ChildProcess | undefined;
  #exited: Promise<string> = Promise.resolve("");
  #restarts = 0;
  #supervision: Promise<void> = Promise.resolve();

  constructor(spec: ChildSpec, context: ChildContext) {
    this.name = spec.name;
    this.log = join(context.logs, `${spec.name}.log`);
    this.#spec = spec;
    this.#context = context;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Resolves when it is ready for the first time.
   *
   * @throws RouseError FAILED_PRECONDITION CHILD_FAILED with its last line when it ends before, or takes too long.
   */
  async start(): Promise<void> {
    mkdirSync(this.#context.logs, { recursive: true });
    rotate(this.log);
    await this.#run();
    this.#supervision = this.#supervise();
  }

  /** Asks it to end, and kills it after the grace time; resolves when it is gone. */
  async stop(): Promise<void> {
    // A second signal would make it hurry.
    if (this.#stopping.signal.aborted) return this.#supervision;
    this.#stopping.abort();
    const child = this.#process;
    if (child !== undefined) {
      child.kill(this.#spec.stopSignal ?? "SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), this.#spec.graceMs);
      await this.#exited;
      clearTimeout(timer);
    }
    await this.#supervision;
  }

  /** Starts the program once and waits until it is ready. */
  async #run(): Promise<void> {
    this.#spawn();
    const giveUp = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(READY_MS)]);
    const ended = new AbortController();
    const exit = this.#exited.then((how) => {
      ended.abort();
      return how;
    });
    const ready = this.#spec.ready(AbortSignal.any([giveUp, ended.signal])).then(() => {
      if (this.pid !== undefined) this.#context.record.markReady(this.pid);
    });
    // Its end is told by exit; a ready() that gives up for it must not be reported as well.
    const how = await Promise.race([
      ready.catch((error) => (ended.signal.aborted ? exit : Promise.reject(error))),
      exit,
    ]).catch(() => (this.#stopping.signal.aborted ? undefined : `not ready within ${READY_MS / 1_000} s`));
    if (how === undefined || this.#stopping.signal.aborted) return;
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${this.name} did not start (${how}): ${lastWords(this.log)} Its log: ${this.log}`,
      { reason: "CHILD_FAILED" },
    );
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const since = performance.now();
      const how = await this.#exited;
      if (signal.aborted) return;
      if (performance.now() - since > STEADY_MS) this.#restarts = 0;
      const pause = BACKOFF_MS[Math.min(this.#restarts++, BACKOFF_MS.length - 1)] ?? 0;
      this.#context.say(
        `${this.name} ended (${how}); it is started again in ${pause / 1_000} s. Its log: ${this.log}`,
      );
      await sleep(pause, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#run().then(
        () => signal.aborted || this.#context.say(`${this.name} runs again`),
        (error: Error) => {
          this.#process?.kill("SIGKILL");
          this.#context.say(error.message);
        },
      );
    }
  }

  #spawn(): void {
    const { file, args, env, ours } = this.#spec;
    const log = openSync(this.log, "a");
    // A group of its own: the terminal's Ctrl-C must not reach it before we have stopped the instances.
    const child = spawn(file, args, {
      detached: true,
      stdio: ["ignore", log, log, ...(ours ? (["ipc"] as const) : [])],
      env: { ...process.env, ...env, ...(ours ? { ROUSE_SUPERVISED: "1" } : {}) },
    });
    closeSync(log);
    this.#process = child;
    const { pid } = child;
    if (pid !== undefined) this.#context.record.add(this.name, pid);
    this.#exited = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) =>
        resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`),
      );
    }).then((how) => {
      this.#process = undefined;
      if (pid !== undefined) this.#context.record.remove(pid);
      return String(how);
    });
  }
}

function rotate(log: string): void {
  const { size } = statSync(log, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size > LOG_BYTES) renameSync(log, `${log}.1`);
}

/** The last line, which for our own programs is the sentence that says what is wrong. */
function lastWords(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
}
