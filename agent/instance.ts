import type { Logger } from "pino";
import { type Instance, InstanceState, type StartTimes } from "#proto/rouse/agent/v1/agent.ts";
import { diskFull } from "../sdk/disk-full.ts";
import { RouseError } from "../sdk/errors.ts";
import { describeInstance } from "./describe.ts";
import { describeEnding, isLost, lastOutput } from "./endings.ts";
import type { Hook } from "./hooks/hook.ts";
import type { Health, HealthWatch } from "./readiness/health.ts";
import type { NotifySocket } from "./readiness/notify.ts";
import { awaitReady, type Ready, resumeHealth } from "./readiness/readiness.ts";
import type { InstanceRecord } from "./record.ts";
import type { Ending, Runtime, Unit } from "./runtimes/runtime.ts";
import { type Freezable, Standby } from "./standby/standby.ts";
import { nowMs, pause } from "./time.ts";

/** Time to drain when the caller names none, ms. */
const defaultGraceMs = 10_000;
/** Longest time that a stop waits for Consul, ms: a Consul that is away must not keep instances alive. */
const deregisterMs = 1_000;
/** Health lost for a moment, such as by a blocked event loop, is not told before this time has passed, ms. */
const unreachableMs = 1_500;

/** How long one that is stopped out of standby runs before it is told, ms: calls that wait in its socket are taken first. */
const awakeMs = 50;

/** How long after it serves an instance keeps what it was lent for its start, ms. */
const settleMs = 1_000;
/** How long after the answer to its start an instance is announced in Consul and on disk, ms. */
const tellMs = 25;

export interface InstanceContext {
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly notify: NotifySocket;
  readonly hooks: readonly Hook[];
}

/** One instance from its start to its end. Owns its record; all else happens in hooks. */
export class ManagedInstance {
  readonly record: InstanceRecord;
  readonly #context: InstanceContext;
  readonly #stopping = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  readonly #launched = Promise.withResolvers<void>();
  #unit: Unit | undefined;
  #health: HealthWatch | undefined;
  #doubt: NodeJS.Timeout | undefined;
  #said: Health = "serving";
  #start: Promise<StartTimes> | undefined;
  #failure: RouseError | undefined;
  #stopReason = "";
  #settled = false;
  /** Freezes it and thaws it. */
  readonly standby: Standby;

  constructor(record: InstanceRecord, context: InstanceContext) {
    this.record = record;
    this.#context = context;
    if (this.hasEnded) this.#over.resolve();
    this.standby = new Standby(this.#freezable());
  }

  get hasEnded(): boolean {
    return this.record.state === InstanceState.STOPPED || this.record.state === InstanceState.FAILED;
  }

  /** Its own word on whether it can take calls. */
  get healthy(): boolean {
    return this.#said === "serving";
  }

  /** The same in more words. */
  get health(): Health {
    return this.#said;
  }

  /** Resolves when there is something that runs. */
  get launched(): Promise<void> {
    return this.#launched.promise;
  }

  get unit(): Unit | undefined {
    return this.#unit;
  }

  /** Resolves when it has ended and gave back all it took. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Whether it has been told to end. */
  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /**
   * Starts it, once, however often called.
   *
   * @param room resolves when what it needs has been given back by others.
   * @throws RouseError that says why it does not serve.
   */
  start(room?: Promise<void>): Promise<StartTimes> {
    this.#start ??= this.#run(room);
    return this.#start;
  }

  /** Takes it over from a former agent. @returns false when it does not run any more. */
  async adopt(): Promise<boolean> {
    const { id, spec, handle, address, state } = this.record;
    const unit = await this.#context.runtime.adopt(id, spec, handle);
    if (unit === undefined) return false;
    this.#unit = unit;
    this.#launched.resolve();
    // It never served, and who asked for it has had no answer: only its end can be told.
    if (state === InstanceState.STARTING) {
      await unit.kill();
      await unit.ended;
      await unit.remove();
      return false;
    }
    if (state === InstanceState.STANDBY && (await unit.suspended())) {
      this.#settled = true;
      this.#follow(unit);
      this.#tell("serving");
      return true;
    }
    // The former agent may have ended while it thawed this one: calls are on their way to it.
    this.#settleLater(unit);
    this.#serve(unit, resumeHealth(address, spec.service, this.#healthChanged));
    if (state === InstanceState.DRAINING) void this.stop(0, this.record.reason);
    return true;
  }

  /** Ends the record of one that ended while no agent watched. */
  bury(reason: string): void {
    this.#end(InstanceState.FAILED, reason);
  }

  setGeneration(generation: number): void {
    if (this.record.generation === generation) return;
    this.record.generation = generation;
    this.#changed();
    if (this.#announced) this.#tell("serving");
  }

  /** Whether Consul shows it. */
  get #announced(): boolean {
    return this.record.state === InstanceState.SERVING || this.record.state === InstanceState.STANDBY;
  }

  #freezable(): Freezable {
    const unit = () => this.#unit;
    const isStopping = () => this.isStopping;
    return {
      record: this.record,
      get unit() {
        return unit();
      },
      get isStopping() {
        return isStopping();
      },
      setGeneration: (generation) => this.setGeneration(generation),
      settle: async () => {
        if (!this.#settled && this.#unit !== undefined) await this.#settle(this.#unit);
        clearTimeout(this.#doubt);
      },
      changed: () => this.#changed(),
      frozen: () => this.#tell("serving"),
      thawed: () => this.#thawed(),
      lost: (error) => {
        this.#failure = error;
      },
    };
  }

  /** It serves again. One that was adopted while it was frozen has nobody yet who follows its health. */
  #thawed(): void {
    this.#tellSoon();
    const { address, spec } = this.record;
    if (this.#health !== undefined) this.#healthChanged(this.#health.last);
    else
      setTimeout(() => {
        if (!this.hasEnded) this.#health ??= resumeHealth(address, spec.service, this.#healthChanged);
      }, settleMs).unref();
  }

  /** Takes no new calls from now on, and goes on with those that it has. */
  retire(): void {
    if (this.record.retiring) return;
    this.record.retiring = true;
    this.#changed();
    if (this.#announced) this.#tell("serving");
  }

  /** Deregisters, drains and kills; resolves when it is gone. Also ends a start half-way. */
  async stop(graceMs: number, reason: string): Promise<void> {
    if (this.hasEnded) return this.over;
    if (!this.#stopping.signal.aborted) {
      this.#stopReason = reason === "" ? "stopped" : reason;
      const serving = this.record.state !== InstanceState.STARTING;
      this.#stopping.abort(this.#stopped());
      if (serving) void this.#drain(graceMs === 0 ? defaultGraceMs : graceMs);
    }
    return this.over;
  }

  /** As the API has it. */
  toApi(): Instance {
    return describeInstance(this.record);
  }

  async #run(room: Promise<void> | undefined): Promise<StartTimes> {
    const { runtime, notify } = this.#context;
    const { id, spec } = this.record;
    const signal = this.#stopping.signal;
    const times = { acceptedMs: nowMs(), createdMs: 0, startedMs: 0, readyMs: 0 };
    try {
      const created = () => {
        times.createdMs = nowMs();
      };
      await room;
      const unit = await runtime.start({ id, spec, signal, created });
      times.startedMs = nowMs();
      this.#unit = unit;
      this.#launched.resolve();
      Object.assign(this.record, {
        runtimeId: unit.runtimeId,
        handle: unit.handle,
        startedAtMs: times.startedMs,
      });
      this.#changed();
      const { address, health } = await this.#ready(unit, notify);
      times.readyMs = nowMs();
      this.record.address = address;
      this.#serve(unit, health);
      this.#settleLater(unit);
      return times;
    } catch (error) {
      throw await this.#startFailed(signal.aborted ? signal.reason : error);
    }
  }

  /** Waits until it serves or ends, whichever comes first. */
  async #ready(unit: Unit, notify: NotifySocket): Promise<Ready> {
    const signal = this.#stopping.signal;
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const ready = awaitReady(unit, this.record, notify, until, this.#healthChanged);
    const ended = unit.ended.then(async (ending) => {
      throw signal.aborted ? signal.reason : await this.#explain(unit, ending);
    });
    ready.catch(() => {});
    ended.catch(() => {});
    try {
      return await Promise.race([ready, ended]);
    } finally {
      over.abort();
    }
  }

  #serve(unit: Unit, health: HealthWatch): void {
    this.#health = health;
    this.#said = "serving";
    Object.assign(this.record, { state: InstanceState.SERVING, standbySinceMs: 0 });
    this.#tellSoon();
    this.#follow(unit);
  }

  /** Callers wait for the answer, and for the first calls; the news for everybody else takes cores as well. */
  #tellSoon(): void {
    setTimeout(() => {
      if (this.record.state !== InstanceState.SERVING) return;
      this.#tell("serving");
      this.#changed();
    }, tellMs);
  }

  #follow(unit: Unit): void {
    void unit.ended.then((ending) => this.#unitEnded(unit, ending));
  }

  /** The first calls come first: what follows a start takes cores as well. */
  #settleLater(unit: Unit): void {
    const timer = setTimeout(() => {
      if (!this.#settled) void this.#settle(unit);
    }, settleMs).unref();
    void unit.ended.then(() => clearTimeout(timer));
  }

  async #settle(unit: Unit): Promise<void> {
    this.#settled = true;
    await unit
      .settle()
      .catch((err) => this.#context.log.warn({ err, instance: this.record.id }, "not limited yet"));
  }

  async #startFailed(thrown: unknown): Promise<RouseError> {
    const { service, version } = this.record.spec;
    const error = diskFull(thrown, `${service} ${version} cannot be started here`) ?? RouseError.from(thrown);
    this.#failure = error;
    if (this.#unit !== undefined) {
      await this.#unit.kill();
      await this.#unit.ended;
      this.#tell("exited");
      await this.#unit.remove();
    }
    this.#end(this.#stopping.signal.aborted ? InstanceState.STOPPED : InstanceState.FAILED, error.message);
    return error;
  }

  /** The error with which its start, or its thawing, failed; undefined when none did. */
  get failure(): RouseError | undefined {
    return this.#failure;
  }

  async #unitEnded(unit: Unit, ending: Ending): Promise<void> {
    this.#health?.close();
    clearTimeout(this.#doubt);
    const stopped = this.#stopping.signal.aborted;
    this.#tell("exited");
    // A next leader that asks meanwhile must not count on it.
    if (this.record.state === InstanceState.SERVING) this.record.state = InstanceState.DRAINING;
    // Calls must not go to it for a moment longer than needed: Consul first, the reason afterwards.
    void this.#tellDraining();
    const reason = stopped
      ? this.#stopReason
      : (this.#failure ?? (await this.#explain(unit, ending))).message;
    await unit.remove();
    this.#end(stopped ? InstanceState.STOPPED : InstanceState.FAILED, reason);
  }

  async #drain(graceMs: number): Promise<void> {
    const unit = this.#unit;
    if (unit === undefined) return;
    await this.standby.idle;
    const frozen = this.record.state === InstanceState.STANDBY;
    Object.assign(this.record, {
      state: InstanceState.DRAINING,
      reason: this.#stopReason,
      standbySinceMs: 0,
    });
    this.#changed();
    const waited = new AbortController();
    await Promise.race([this.#tellDraining(), pause(deregisterMs, waited.signal)]);
    if (frozen) {
      await unit.resume().catch(() => unit.kill());
      await pause(awakeMs, waited.signal);
    }
    waited.abort();
    await unit.terminate();
    const timer = setTimeout(() => void unit.kill(), graceMs);
    await unit.ended;
    clearTimeout(timer);
  }

  #end(state: InstanceState, reason: string): void {
    Object.assign(this.record, { state, reason, endedAtMs: nowMs() });
    this.#changed();
    this.#tell("ended");
    this.#over.resolve();
  }

  readonly #healthChanged = (health: Health): void => {
    clearTimeout(this.#doubt);
    if (this.record.state !== InstanceState.SERVING) return;
    const tell = () => {
      if (health === this.#said) return;
      this.#said = health;
      if (this.record.state === InstanceState.SERVING) this.#tell("serving");
    };
    if (health === "unreachable") this.#doubt = setTimeout(tell, unreachableMs).unref();
    else tell();
  };

  async #explain(unit: Unit, ending: Ending): Promise<RouseError> {
    return describeEnding(ending, this.record.spec, isLost(ending) ? "" : await lastOutput(unit));
  }

  #stopped(): RouseError {
    const { id, spec } = this.record;
    return new RouseError(
      "CANCELLED",
      `Instance ${id} of ${spec.service} ${spec.version} was stopped while it started: ${this.#stopReason}.`,
      { reason: "START_STOPPED" },
    );
  }

  #changed(): void {
    for (const hook of this.#context.hooks) hook.changed?.(this);
  }

  #tell(event: "serving" | "exited" | "ended"): void {
    for (const hook of this.#context.hooks) hook[event]?.(this);
  }

  async #tellDraining(): Promise<void> {
    await Promise.all(this.#context.hooks.map((hook) => hook.draining?.(this)));
  }
}
