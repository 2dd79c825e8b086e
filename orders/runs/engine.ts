import type { Logger } from "pino";
import type { ChildCall } from "#proto/rouse/orders/v1/durable.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Changes } from "../database/changes.ts";
import { untilAborted } from "../leader.ts";
import type { MemoryDeaths } from "../operations/memory-deaths.ts";
import type { RunStream } from "../operations/mesh-call.ts";
import type { OperationRow } from "../operations/record.ts";
import type { NewOperation } from "../operations/store.ts";
import { Batch } from "./batch.ts";
import type { RunWorker, StartedRun } from "./local-runs.ts";
import { newRun, type RunRow } from "./record.ts";
import { LiveRun, type RunDeps } from "./run.ts";
import { Slots } from "./slots.ts";
import type { RunStore } from "./store.ts";
import { Turns } from "./turns.ts";

/** Channel that names runs and their children that changed: "<id> <state>". */
export const RUNS_CHANNEL = "rouse_runs";
/** Streams to instances at one time; further runs wait. */
const MOST_STREAMS = 1_000;
const MOST_LOADED = 200;
/** Pause before the database is asked again, ms. */
const AGAIN_MS = 1_000;

export interface EngineOptions {
  readonly store: RunStore;
  readonly changes: Changes;
  readonly log: Logger;
  readonly open: (run: RunRow) => RunStream;
  readonly deaths: MemoryDeaths;
  readonly child: (run: RunRow, call: ChildCall) => Promise<NewOperation>;
}

/** Works on all runs that have not ended, as long as this process leads. */
export class RunEngine implements RunWorker {
  readonly #options: EngineOptions;
  readonly #runs = new Map<string, LiveRun>();
  /** Who waits for an operation. */
  readonly #children = new Map<string, { readonly run: LiveRun; readonly index: number }>();
  /** Runs that this process is writing, and whose end it has not heard of. */
  readonly #expected = new Set<string>();
  /** Who is told of a run's end. */
  readonly #waiters = new Map<string, (row: OperationRow | undefined) => void>();
  readonly #turns = new Turns();
  readonly #slots = new Slots(MOST_STREAMS);
  readonly #loads = new Batch<string, undefined>(MOST_LOADED, (ids) => this.#load(ids));
  #signal: AbortSignal = AbortSignal.abort();

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { changes } = this.#options;
    this.#signal = signal;
    const unlisten = changes.listen(RUNS_CHANNEL, (payload) => void this.#changed(payload));
    try {
      await this.#catchUp();
      await untilAborted(signal);
    } finally {
      unlisten();
      for (const tell of this.#waiters.values()) tell(undefined);
      this.#waiters.clear();
    }
  }

  async start(made: NewOperation, write: () => Promise<OperationRow>): Promise<StartedRun> {
    const { id, request } = made;
    this.#expected.add(id);
    try {
      const row = await write();
      if (row.id !== id || !this.#expected.has(id) || this.#signal.aborted) return { row };
      const { promise: ended, resolve } = Promise.withResolvers<OperationRow | undefined>();
      this.#waiters.set(id, resolve);
      this.#add(newRun(row), request);
      return { row, ended };
    } catch (thrown) {
      this.#expected.delete(id);
      // Its commit may have come through all the same.
      void this.#changed(`${id} waiting`);
      throw thrown;
    } finally {
      this.#expected.delete(id);
    }
  }

  /** Looks at all that is open: at the beginning, and when the database was away. */
  async #catchUp(): Promise<void> {
    const { store } = this.#options;
    await store.cancelOrphans(parentCancelled());
    // One that begins meanwhile may not be among what is open.
    const before = [...this.#runs];
    const open = await store.open();
    const known = new Set(open.map(({ id }) => id));
    for (const [id, run] of before) if (!known.has(id)) run.endedElsewhere("it was ended");
    for (const row of open) this.#add(row);
    for (const { run, index } of this.#children.values()) run.childEnded(index);
  }

  async #changed(payload: string | undefined): Promise<void> {
    const { log, store } = this.#options;
    try {
      if (payload === undefined) return await this.#catchUp();
      const [id = "", state] = payload.split(" ");
      if (state === "waiting") {
        if (!this.#runs.has(id) && !this.#expected.has(id)) await this.#loads.add(id);
        return;
      }
      if (state === "answer") return this.#runs.get(id)?.answered();
      if (state === "running") return;
      this.#expected.delete(id);
      this.#runs.get(id)?.endedElsewhere(state === "cancelled" ? "the run was cancelled" : "it was ended");
      const waiter = this.#children.get(id);
      this.#children.delete(id);
      waiter?.run.childEnded(waiter.index);
      if (state === "cancelled") await store.cancelOrphans(parentCancelled());
    } catch (err) {
      log.warn({ err, payload }, "a change of a run is followed later");
      // Nobody tells it again.
      setTimeout(() => this.#signal.aborted || void this.#changed(payload), AGAIN_MS).unref();
    }
  }

  /** Takes up what was just started, in the order in which it was. */
  async #load(ids: readonly string[]): Promise<undefined[]> {
    for (const { row, request } of await this.#options.store.started(ids)) this.#add(row, request);
    return ids.map(() => undefined);
  }

  #add(row: RunRow, request?: Buffer): void {
    const { id, key } = row;
    if (this.#runs.has(id) || this.#signal.aborted) return;
    const { store, log, open, deaths, child } = this.#options;
    const deps: RunDeps = {
      store,
      log,
      open,
      deaths,
      child,
      slot: () => this.#slots.take(),
      follow: (operation, run, index) => this.#children.set(operation, { run, index }),
      over: (run, row) => this.#over(run, row),
    };
    const run = new LiveRun(deps, row, this.#signal, request);
    this.#runs.set(id, run);
    if (key === "" || this.#turns.join(actor(row), id)) void run.drive();
  }

  #over({ row }: LiveRun, end: OperationRow | undefined): void {
    const { id, key } = row;
    this.#runs.delete(id);
    this.#waiters.get(id)?.(end);
    this.#waiters.delete(id);
    if (key === "") return;
    const next = this.#turns.leave(actor(row), id);
    if (next !== undefined) void this.#runs.get(next)?.drive();
  }
}

/** Whose calls come one after the other. */
function actor({ service, key }: RunRow): string {
  return `${service} ${key}`;
}

function parentCancelled(): RouseError {
  return new RouseError("CANCELLED", "The operation was cancelled with the durable run that started it.", {
    reason: "OPERATION_CANCELLED",
  });
}
