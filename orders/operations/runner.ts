import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { RouseError } from "../../sdk/errors.ts";
import type { Changes } from "../database/changes.ts";
import { isDatabaseAway } from "../database/connect.ts";
import { untilAborted } from "../leader.ts";
import type { RunWorker, StartedRun } from "../runs/local-runs.ts";
import type { MemoryDeaths } from "./memory-deaths.ts";
import { isOver, type OperationRow } from "./record.ts";
import type { NewOperation, OperationStore } from "./store.ts";

/** Makes one call through the mesh. */
export type MakeCall = (call: {
  readonly operation: OperationRow;
  readonly request: Buffer;
  /** ms since 1970. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}) => Promise<Buffer>;

export interface RunnerOptions {
  readonly store: OperationStore;
  readonly changes: Changes;
  readonly call: MakeCall;
  readonly deaths: MemoryDeaths;
  readonly log: Logger;
}

/** Calls under way at one time; the others wait. */
const MOST_CALLS = 500;
/** What need not be read of a call that this process has just written. */
interface Known {
  readonly row: OperationRow;
  readonly request: Buffer;
}

/** Channel that names operations which changed. */
export const OPERATIONS_CHANNEL = "rouse_operations";
/** The same without durable runs, each with its state. */
export const CALLS_CHANNEL = "rouse_calls";
/** Pauses before a call is made again, ms: the first, doubling, the longest. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** How long it is tried to reach a service that is UNAVAILABLE, ms: a mesh that restarts, a version that crashed. */
const RETRY_FOR_MS = 600_000;
const EXPIRE_MS = 60_000;
/** Pause before a database that is away is asked again, ms. */
const AGAIN_MS = 1_000;

/**
 * Makes the calls of all operations that have not ended, as long as this process leads.
 *
 * A call that was under way when a process or an instance ended is made again where the contract says that this does no harm
 * (idempotency_level), and fails with ABORTED otherwise.
 */
export class Runner implements RunWorker {
  readonly #options: RunnerOptions;
  readonly #running = new Map<string, AbortController>();
  /** The oldest first. */
  readonly #waiting = new Map<string, Known | undefined>();
  /** Those that this process is just writing down itself. */
  readonly #expected = new Set<string>();
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Works until the signal aborts; then it lets go of calls under way: who takes over makes those again that may be. */
  async run(signal: AbortSignal): Promise<void> {
    const { changes, store } = this.#options;
    const unlisten = changes.listen(CALLS_CHANNEL, (id) => void this.#changed(id));
    const expiring = setInterval(() => store.expire().catch(() => undefined), EXPIRE_MS).unref();
    try {
      await this.#catchUp();
      await untilAborted(signal);
    } finally {
      this.#stopped = true;
      unlisten();
      clearInterval(expiring);
      for (const call of this.#running.values()) call.abort(CLOSING);
    }
  }

  async start({ id, request }: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun> {
    this.#expected.add(id);
    try {
      const row = await write();
      // Another leader was told of it, too.
      if (row.id === id && row.state === "waiting" && !this.#stopped) this.#add(id, { row, request });
      return { row };
    } catch (thrown) {
      this.#expected.delete(id);
      // Its commit may have come through all the same.
      void this.#changed(`${id} waiting`);
      throw thrown;
    } finally {
      this.#expected.delete(id);
    }
  }

  async #catchUp(): Promise<void> {
    for (const id of await this.#options.store.open()) this.#add(id);
  }

  async #changed(payload: string | undefined): Promise<void> {
    try {
      if (payload === undefined) return await this.#catchUp();
      const [id = "", state] = payload.split(" ");
      if (state === "waiting") {
        if (!this.#expected.has(id)) this.#add(id);
      } else if (state !== "running") this.#running.get(id)?.abort(OVER);
    } catch (err) {
      this.#options.log.warn({ err, payload }, "a change of an operation is followed later");
      // Nobody tells it again.
      setTimeout(() => this.#stopped || void this.#changed(payload), AGAIN_MS).unref();
    }
  }

  #add(id: string, known?: Known): void {
    if (this.#running.has(id) || this.#waiting.has(id)) return;
    // Those that wait are read when it is their turn: their requests may be large.
    this.#waiting.set(id, this.#running.size < MOST_CALLS ? known : undefined);
    this.#next();
  }

  #next(): void {
    while (this.#running.size < MOST_CALLS && !this.#stopped) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const [id, known] = first;
      this.#waiting.delete(id);
      const stop = new AbortController();
      this.#running.set(id, stop);
      void this.#run(id, stop.signal, known).finally(() => {
        this.#running.delete(id);
        this.#next();
      });
    }
  }

  async #run(id: string, signal: AbortSignal, known?: Known): Promise<void> {
    const { store, log } = this.#options;
    try {
      const row = known?.row ?? (await this.#kept(id, signal, () => store.get(id)));
      if (row === undefined || isOver(row)) return;
      if (row.state === "running" && !row.idempotent) {
        const error = interrupted(row, "the process that made the call ended meanwhile");
        await this.#kept(id, signal, () => store.fail(id, error));
        return;
      }
      const outcome = await this.#attempts(row, signal, known?.request);
      if (signal.reason === CLOSING || signal.reason === OVER) return;
      if (outcome !== undefined) await this.#kept(id, signal, () => store.end(id, outcome));
    } catch (err) {
      log.error({ err, operation: id }, "an operation is left to the next leader");
    }
  }

  /** Asks the database until it answers: what a call gave is not to be lost for that. @returns undefined when the signal aborts. */
  async #kept<T>(id: string, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    while (!signal.aborted) {
      try {
        return await work();
      } catch (thrown) {
        const err = RouseError.from(thrown);
        if (!isDatabaseAway(err)) throw thrown;
        this.#options.log.warn({ err, operation: id }, "an operation waits for the database");
      }
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
    return undefined;
  }

  /** @returns the response, or the error with which the operation fails; undefined when it has ended meanwhile. */
  async #attempts(
    row: OperationRow,
    signal: AbortSignal,
    known?: Buffer,
  ): Promise<Buffer | RouseError | undefined> {
    const { store, call, deaths } = this.#options;
    const request = known ?? (await this.#kept(row.id, signal, () => store.request(row.id)));
    if (request === undefined) return undefined;
    const beganMs = row.started_at?.getTime() ?? Date.now();
    const deadlineMs = beganMs + row.deadline_ms + row.start_timeout_ms;
    const giveUpMs = Math.min(deadlineMs, Date.now() + RETRY_FOR_MS);
    const suspect = deaths.suspect(row);
    let latest = row;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const free = await suspect.turn();
      const begunMs = Date.now();
      let noted: Promise<OperationRow | undefined> | undefined;
      try {
        if (signal.aborted) return undefined;
        noted = this.#kept(row.id, signal, () => store.begin(latest));
        // Where it may be made twice it is made while that is written: what has ended meanwhile is told by its change.
        if (!row.idempotent) {
          const begun = await noted;
          if (begun === undefined) return this.#notBegun(row, signal);
          latest = begun;
        }
        const made = call({ operation: row, request, deadlineMs, signal });
        const [response, operation] = await Promise.all([made, noted]);
        return operation && response;
      } catch (thrown) {
        // It began before it ended, also for those who read it.
        await noted?.catch(() => undefined);
        if (signal.aborted) return undefined;
        const error = RouseError.from(thrown);
        if (error.status !== "UNAVAILABLE" || Date.now() + pauseMs >= giveUpMs) return error;
        if (!neverBegun(error)) {
          const words = await suspect.interrupted(begunMs);
          if (!row.idempotent) return interrupted(row, words ?? error.message);
          if (suspect.fault !== undefined) return suspect.fault;
        }
      } finally {
        free();
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return undefined;
    }
  }

  /**
   * Of a call that must not be made twice, and could not be begun: it has ended, another process takes itself for the leader as well, or
   * the database's answer to an earlier try was lost.
   */
  async #notBegun({ id }: OperationRow, signal: AbortSignal): Promise<RouseError | undefined> {
    const now = await this.#kept(id, signal, () => this.#options.store.get(id));
    if (now === undefined || isOver(now)) return undefined;
    return interrupted(now, "it had been begun, maybe by another process");
  }
}

/** Reasons for which calls are let go of. */
const CLOSING = new Error("another process makes the call");
const OVER = new Error("the operation is over");

/** What the mesh itself says of calls that no instance saw. */
export function neverBegun({ reason, message }: RouseError): boolean {
  const words = /^No connection established|no healthy upstream|connect(ion)? (refused|failure)/i;
  return reason === "START_FAILED" || reason === "START_UNANSWERED" || words.test(message);
}

function interrupted({ service, version, method }: OperationRow, why: string): RouseError {
  return new RouseError(
    "ABORTED",
    `${service}/${method} of ${version} was under way, and nobody knows how far it came: ${why}. It is not made again, as its contract does not say that a second call does no harm (option idempotency_level). Look at what it did, then start it anew.`,
    { reason: "OPERATION_INTERRUPTED", metadata: { service, version, method } },
  );
}
