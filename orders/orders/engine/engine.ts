import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { MeshFollower } from "../../../registry/follower.ts";
import type { HostsWatch } from "../../../registry/hosts.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { steadyMs } from "../../../sdk/steady.ts";
import type { Changes } from "../../database/changes.ts";
import { untilAborted } from "../../leader.ts";
import type { Contracts } from "../contract/contracts.ts";
import { next } from "../plan.ts";
import { assign } from "../queue/queue.ts";
import type { EngineStore, OpenOrder } from "../store/engine-store.ts";
import type { TaskRow } from "../store/record.ts";
import { ORDERS_CHANNEL } from "../store/tables.ts";
import { AttemptRun } from "./attempt-run.ts";
import { type Executor, LET_GO, STOP } from "./executor.ts";
import { placeableHosts } from "./hosts.ts";
import { keyOf, viewOf } from "./live.ts";
import { whyWaiting } from "./waiting.ts";

export interface EngineDeps {
  readonly store: EngineStore;
  readonly changes: Changes;
  readonly mesh: MeshFollower;
  readonly hosts: HostsWatch;
  readonly contracts: Contracts;
  readonly executors: Readonly<Record<"job" | "call", Executor>>;
  readonly log: Logger;
}

/** Calls of orders under way at one time. */
const MOST_CALLS = 200;
/** The queue is looked at again at least so often while something waits: levels rise, hosts get room; ms. */
const LOOK_MS = 2_000;
/** Orders whose next step is written at one time. */
const ADVANCED_AT_ONCE = 8;
/** A host that refused a job is left out for so long, ms. */
const REFUSED_MS = 3_000;
/** Pause before the database is asked again, ms. */
const AGAIN_MS = 500;

/**
 * Does what open orders ask for, while this process leads. The database alone says what is so: what is in memory is read from it, and
 * each step is a change there that counts only once. So whatever ends in between, the next leader goes on from what is written.
 */
export class Engine {
  readonly #deps: EngineDeps;
  readonly #live = new Map<string, OpenOrder>();
  /** Attempts of this process, by task. */
  readonly #runs = new Map<string, AttemptRun>();
  readonly #refusedAt = new Map<string, number>();
  readonly #signal: AbortSignal;
  /** Ids of orders to be read again; undefined: all. */
  #stale = new Set<string | undefined>([undefined]);
  #refreshing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  /** ms of performance.now() */
  #restUntilMs = 0;

  constructor(deps: EngineDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Resolves when the signal has aborted, and all is let go of. */
  async run(): Promise<void> {
    const unlisten = this.#deps.changes.listen(ORDERS_CHANNEL, (id) => void this.#refresh(id));
    try {
      await this.#refresh(undefined);
      await untilAborted(this.#signal);
    } finally {
      unlisten();
      clearTimeout(this.#timer);
      for (const run of this.#runs.values()) run.abort(LET_GO);
      await Promise.allSettled([...this.#runs.values()].map((run) => run.ended));
    }
  }

  /** Reads an order anew, and does what follows. One reading goes on at a time, so that nothing older comes after. */
  #refresh(id: string | undefined): Promise<void> {
    this.#stale.add(id);
    this.#refreshing ??= this.#readStale().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #readStale(): Promise<void> {
    while (this.#stale.size > 0 && !this.#signal.aborted) {
      const ids = this.#stale;
      this.#stale = new Set();
      try {
        await this.#read(ids.has(undefined) ? undefined : ([...ids] as string[]));
      } catch (err) {
        this.#deps.log.warn({ err }, "orders wait for the database");
        for (const id of ids) this.#stale.add(id);
        await sleep(AGAIN_MS, undefined, { signal: this.#signal }).catch(() => undefined);
      }
    }
  }

  async #read(ids: readonly string[] | undefined): Promise<void> {
    const leftOut = new Map<string, RouseError>();
    const open = await this.#deps.store.open(ids, (id, error) => leftOut.set(id, error));
    for (const [id, error] of leftOut) await this.#leaveOut(id, error);
    const there = new Map(open.map((order) => [order.id, order]));
    for (const id of ids ?? this.#live.keys()) if (!there.has(id)) this.#live.delete(id);
    for (const order of open) this.#live.set(order.id, order);
    for (const run of this.#runs.values())
      if (ids === undefined || ids.includes(run.orderId)) this.#check(run, there.get(run.orderId));
    for (const order of open) this.#goOn(order);
    const left = open.values();
    const advanceAll = async () => {
      for (const order of left)
        await this.#advance(order).catch((thrown) => this.#unreadable(order.id, thrown));
    };
    await Promise.all(Array.from({ length: ADVANCED_AT_ONCE }, advanceAll));
    this.#lookSoon();
  }

  /** One order that cannot be read keeps no other from going on. */
  async #leaveOut(id: string, error: RouseError): Promise<void> {
    this.#deps.log.error({ err: error, order: id }, "an order cannot be read, and was ended");
    await this.#deps.store.leaveOut(id, error);
  }

  /** Leaves the order out if that is why; throws what else it is. */
  async #unreadable(id: string, thrown: unknown): Promise<void> {
    const error = RouseError.from(thrown);
    if (error.reason !== "ORDER_UNREADABLE") throw thrown;
    await this.#leaveOut(id, error);
  }

  /** Stops an attempt whose task is not running any more. */
  #check(run: AttemptRun, order: OpenOrder | undefined): void {
    if (run.attempt === undefined) return;
    const task = order?.tasks.find(({ name }) => name === run.task);
    const over =
      task === undefined ||
      task.attempts > run.attempt ||
      (task.attempts === run.attempt && task.state !== "running");
    if (over) run.abort(STOP);
  }

  /** Goes on with attempts that an earlier leader has begun. */
  #goOn(order: OpenOrder): void {
    for (const task of order.tasks) {
      const key = keyOf(task);
      if (task.state !== "running" || this.#runs.has(key)) continue;
      this.#begin(key, order.id, task.name, task.host ?? undefined, async () => {
        const row = await this.#deps.store.task(order.id, task.name);
        return row?.state === "running" ? row : undefined;
      });
    }
  }

  async #advance(order: OpenOrder): Promise<void> {
    const { ready, skipped, ended } = next(order.tasks);
    if (ready.length === 0 && skipped.length === 0 && ended === undefined) return;
    const { store } = this.#deps;
    if (ended !== "failed") return store.advance(order.id, ready, skipped, ended && { state: ended });
    await store.advance(order.id, ready, skipped, { state: "failed", error: await this.#whyFailed(order) });
  }

  async #whyFailed({ id, tasks }: OpenOrder): Promise<RouseError> {
    const failed = tasks.filter(({ state }) => state === "failed");
    const [first] = failed;
    const row = first === undefined ? undefined : await this.#deps.store.task(id, first.name);
    const others = failed.length > 1 ? ` ${failed.length - 1} other tasks failed as well.` : "";
    const tries = row === undefined || row.attempts < 2 ? "" : ` after ${row.attempts} attempts`;
    return new RouseError(
      "ABORTED",
      `Task "${first?.name}" failed${tries}: ${row?.error?.message ?? "unknown"}${others}`,
      {
        reason: "ORDER_FAILED",
        metadata: { task: first?.name ?? "", reason: row?.error?.reason ?? "" },
      },
    );
  }

  /** Looks at the queue, once for all that happens meanwhile: a long queue takes half of the time at most. */
  #lookSoon(): void {
    if (this.#looking) return;
    this.#looking = true;
    setTimeout(
      () => {
        this.#looking = false;
        if (!this.#signal.aborted) void this.#look();
      },
      Math.max(0, this.#restUntilMs - performance.now()),
    );
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    const { mesh, hosts, log, store } = this.#deps;
    try {
      const state = await mesh.state();
      const nowMs = Date.now();
      const beganMs = performance.now();
      const taken = new Map([...this.#runs].map(([key, run]) => [key, run.host]));
      const view = viewOf(this.#live.values(), taken, nowMs);
      if (view.candidates.length > 0 || view.nextMs !== undefined) this.#lookAt(nowMs, view.nextMs);
      if (view.candidates.length === 0) return;
      const all = placeableHosts(hosts.current(), state, view.jobs);
      const open = all.filter(({ name }) => steadyMs() - (this.#refusedAt.get(name) ?? 0) >= REFUSED_MS);
      const { candidates, running } = view;
      const assigned = assign({ candidates, running, hosts: open, mostCalls: MOST_CALLS, nowMs });
      for (const { key, host } of assigned) {
        const task = view.tasks.get(key);
        if (task === undefined) continue;
        this.#begin(key, task.order_id, task.name, host, () => store.begin(task.order_id, task.name, host));
      }
      this.#restUntilMs = 2 * performance.now() - beganMs;
      const begun = new Set(assigned.map(({ key }) => key));
      const waiting = whyWaiting(candidates, begun, all);
      for (const [key, why] of waiting) {
        const task = view.tasks.get(key);
        if (task !== undefined && task.waits_for !== why) await store.waits(task.order_id, task.name, why);
      }
    } catch (err) {
      if (this.#signal.aborted) return;
      log.warn({ err }, "the queue of orders was not looked at");
      this.#lookAt(Date.now(), undefined);
    }
  }

  #lookAt(nowMs: number, nextMs: number | undefined): void {
    const inMs = Math.min(LOOK_MS, nextMs === undefined ? LOOK_MS : Math.max(0, nextMs - nowMs));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookSoon(), inMs);
  }

  #begin(
    key: string,
    orderId: string,
    task: string,
    host: string | undefined,
    start: () => Promise<TaskRow | undefined>,
  ): void {
    const run = new AttemptRun(this.#deps, { orderId, task, host, start });
    this.#runs.set(key, run);
    run.ended = run
      .run(this.#signal)
      .then((refused) => {
        if (refused && host !== undefined) this.#refusedAt.set(host, steadyMs());
      })
      .catch((thrown: unknown) => this.#unreadable(orderId, thrown))
      .catch(async (err: unknown) => {
        if (this.#signal.aborted) return;
        // What is written says how to go on: it is read when the database is back.
        this.#deps.log.warn({ err, order: orderId, task }, "a task waits for the database");
        await sleep(AGAIN_MS, undefined, { signal: this.#signal }).catch(() => undefined);
      })
      .then(async () => {
        // It is taken out only when what was written of it has been read, or it would be begun again from an older state.
        if (!this.#signal.aborted) await this.#readAgain(orderId);
        this.#runs.delete(key);
        void this.#refresh(orderId);
      });
  }

  /** Resolves when the order was read after this call. */
  async #readAgain(id: string): Promise<void> {
    // A reading that goes on may have begun before.
    await this.#refreshing;
    await this.#refresh(id);
  }
}
