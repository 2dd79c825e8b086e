import type { AsyncCallOptions } from "../client/operations.ts";
import type { ClientOptions } from "../client/types.ts";
import type { AnyMethodDefinition, RequestOf, ResponseOf, ServiceDefinition } from "../definition.ts";

/** Settings of a step. */
export interface StepOptions {
  /** How often it is tried again when it fails. Default 0. */
  readonly retries?: number;
  /** Pause before the first retry, ms; each further one is twice as long, up to 10 s. Default 100. */
  readonly pauseMs?: number;
  /** Whether a failure is worth a retry. Default: all are. */
  readonly retryIf?: (error: unknown) => boolean;
}

/** What a step's function gets. */
export interface StepCall {
  /** Aborts when the run is cancelled or goes on elsewhere. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** The same whenever this step of this run is done: the key under which an outside system knows that it has done it already. */
  readonly idempotencyKey: string;
}

/** Settings of a client within a run. */
export type RunClientOptions = Pick<ClientOptions, "version" | "target">;

/** Settings of one call within a run. */
export interface RunCallOptions {
  /** Longest time of the call, ms. Default: the contract's. */
  readonly deadlineMs?: number;
  /** Of a keyed actor: calls with the same key come one after the other. */
  readonly key?: string;
}

/** An operation that a run has started. */
export interface RunOperation<Response> {
  /** The response. @throws RouseError the call's own. */
  wait(): Promise<Response>;
}

type Unary<Definition extends ServiceDefinition> = {
  [Name in keyof Definition["methods"]]: Definition["methods"][Name] extends {
    readonly requestStream: false;
    readonly responseStream: false;
  }
    ? Name
    : never;
}[keyof Definition["methods"]];

type RunMethod<Method extends AnyMethodDefinition> = (
  request: RequestOf<Method>,
  options?: RunCallOptions,
) => Promise<ResponseOf<Method>>;

/** A client within a run: its unary methods, whose answers are journaled, and `async` for those that are async or durable. */
export type RunClient<Definition extends ServiceDefinition> = {
  readonly [Name in Unary<Definition>]: RunMethod<Definition["methods"][Name]>;
} & {
  readonly async: {
    readonly [Name in Unary<Definition> as Definition["methods"][Name]["mode"] extends "sync"
      ? never
      : Name]: (
      request: RequestOf<Definition["methods"][Name]>,
      options?: Pick<AsyncCallOptions, "deadlineMs"> & { readonly key?: string },
    ) => RunOperation<ResponseOf<Definition["methods"][Name]>>;
  };
};

/**
 * What a durable function gets beside its request. All that it learns from outside goes through here and is recorded; after a crash
 * it is run again from its beginning, with what was recorded. Its errors are RouseErrors.
 */
export interface Run<State = undefined> {
  /** Of the run, and of its operation. */
  readonly id: string;
  /** Of a keyed actor; empty: none. */
  readonly key: string;
  /** What `options.state` of `serve` made, shared by all calls of the instance. Not journaled. */
  readonly state: State;
  /** Service that asked for it; empty: somebody outside. */
  readonly caller: string;
  /** Aborts when the run is cancelled, or goes on elsewhere. Its reason is a RouseError. */
  readonly signal: AbortSignal;
  /** The function only repeats what it has done before: for what should not be said twice. */
  readonly replaying: boolean;
  /**
   * Does something to the world, or learns something from it, and records what it returned or threw. A crash between the two
   * makes it again, so it should do no harm twice. The function may go on before the record is on disk; whatever it asks for then, and its
   * end, wait for that.
   *
   * @param name What it does, such as "charge"; the check of determinism knows it by this.
   * @param work Returns what a journal can hold: plain objects and arrays, text, numbers, bigint, Date, Uint8Array, Map, Set.
   * @throws RouseError its own; INTERNAL STEP_FAILED for anything else that it threw; INVALID_ARGUMENT VALUE_UNSUPPORTED;
   *   RESOURCE_EXHAUSTED VALUE_TOO_LARGE.
   */
  step<T>(name: string, work: (call: StepCall) => Promise<T> | T, options?: StepOptions): Promise<T>;
  /** Calls another service: what it answers is recorded. Calls of async and durable methods survive this instance. */
  client<Definition extends ServiceDefinition>(
    definition: Definition,
    options?: RunClientOptions,
  ): RunClient<Definition>;
  /** Rests. Longer rests hold no instance. @param ms from now on, by the journal's time. @param name for those who look. */
  sleep(ms: number, name?: string): Promise<void>;
  /** @param time ms since 1970, or a date. */
  sleepUntil(time: number | Date, name?: string): Promise<void>;
  /**
   * What the work gives, if it comes in time.
   *
   * @throws RouseError DEADLINE_EXCEEDED RUN_WAITED_TOO_LONG after so many ms.
   */
  within<T>(ms: number, work: Promise<T>): Promise<T>;
  /** Waits until somebody gives a value under that name: `rouse runs answer RUN NAME JSON`, or a client of Runs. */
  answer<T = unknown>(name: string): Promise<T>;
  /** All of them, as Promise.all. */
  all<const T extends readonly unknown[]>(work: T): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }>;
  /** The first of them, the same at each replay. */
  race<T>(work: readonly (T | PromiseLike<T>)[]): Promise<Awaited<T>>;
  /** ms since 1970. */
  now(): number;
  /** 0 to 1, without 1. */
  random(): number;
  /** A random UUID, version 4. */
  uuid(): string;
  /**
   * Whether the function is past a change: false for runs that were here before the change came.
   *
   * @param name Of the change. Once that no old run is left, take out the old path and this call.
   */
  patched(name: string): boolean;
  /**
   * What this run or a former one of the same service and key has kept under that name; undefined: nothing. As runs of a key come
   * one after the other, nobody else changes it meanwhile.
   *
   * @throws RouseError FAILED_PRECONDITION RUN_WITHOUT_KEY.
   */
  kept<T = unknown>(name: string): Promise<T | undefined>;
  /**
   * Keeps a value for later runs of the same service and key, whatever becomes of this run. It is on disk, as any record, before the
   * function's next step begins, and before its end counts.
   *
   * @param value What a journal can hold, at most 1 MiB; undefined: nothing is kept any more.
   * @throws RouseError FAILED_PRECONDITION RUN_WITHOUT_KEY; INVALID_ARGUMENT VALUE_UNSUPPORTED; RESOURCE_EXHAUSTED VALUE_TOO_LARGE.
   */
  keep(name: string, value: unknown): Promise<void>;
  /** Tells whoever waits how far the run is. @param fraction 0 to 1. @param note at most 500 characters. */
  progress(fraction: number, note?: string): void;
}

/** A durable method as it is written. */
export type DurableFunction<Request, Response, State = undefined> = (
  request: Request,
  run: Run<State>,
) => Promise<Response>;
