import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../sdk/errors.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { InstanceRecord } from "../record.ts";
import type { Unit } from "../runtimes/runtime.ts";
import { nowMs } from "../time.ts";
import { notFrozen, notServing, notThawed } from "./errors.ts";

/** What freezing and thawing need of an instance. */
export interface Freezable {
  readonly record: InstanceRecord;
  readonly unit: Unit | undefined;
  readonly isStopping: boolean;
  setGeneration(generation: number): void;
  /** It has what it was lent for its start no more. */
  settle(): Promise<void>;
  /** Its record has changed. */
  changed(): void;
  /** It is frozen. */
  frozen(): void;
  /** It serves again. */
  thawed(): void;
  /** It could not be thawed, and is killed. */
  lost(error: RouseError): void;
}

/** Freezes one instance and thaws it, one after the other. */
export class Standby {
  readonly #instance: Freezable;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(instance: Freezable) {
    this.#instance = instance;
  }

  /** Resolves when nothing is under way. */
  get idle(): Promise<unknown> {
    return this.#turn;
  }

  /** As SuspendInstance of the API: it is expected to serve in that generation next. */
  suspend(generation: number, lastUsedMs: number): Promise<void> {
    return this.#inTurn(() => this.#suspend(generation, lastUsedMs));
  }

  /** As ResumeInstance of the API. */
  resume(generation: number): Promise<{ acceptedMs: number; thawedMs: number }> {
    const acceptedMs = nowMs();
    return this.#inTurn(async () => {
      const { record, isStopping } = this.#instance;
      if (isStopping) throw notServing(record);
      if (record.state === InstanceState.STANDBY) await this.#resume(generation);
      else this.#instance.setGeneration(generation);
      return { acceptedMs, thawedMs: nowMs() };
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #suspend(generation: number, lastUsedMs: number): Promise<void> {
    const { record, unit } = this.#instance;
    if (record.state === InstanceState.STANDBY) return this.#instance.setGeneration(generation);
    if (record.state !== InstanceState.SERVING || unit === undefined || this.#instance.isStopping)
      throw notServing(record);
    await this.#instance.settle();
    const before = { ...record };
    const standby = { state: InstanceState.STANDBY, standbySinceMs: steadyMs(), lastUsedMs, generation };
    Object.assign(record, standby, { retiring: false });
    // Written before it is frozen, so that the next agent knows.
    this.#instance.changed();
    try {
      await unit.suspend();
    } catch (thrown) {
      Object.assign(record, before);
      this.#instance.changed();
      throw thrown instanceof RouseError ? thrown : notFrozen(record, thrown);
    }
    this.#instance.frozen();
  }

  async #resume(generation: number): Promise<void> {
    const { record, unit } = this.#instance;
    if (unit === undefined) throw notServing(record);
    try {
      await unit.resume();
    } catch (thrown) {
      // It is of no use, and whoever is connected to it must hear so: its connections end with it.
      const error = notThawed(record, thrown);
      this.#instance.lost(error);
      await unit.kill();
      throw error;
    }
    const serving = { state: InstanceState.SERVING, standbySinceMs: 0, lastUsedMs: 0, generation };
    Object.assign(record, serving);
    this.#instance.thawed();
  }
}
