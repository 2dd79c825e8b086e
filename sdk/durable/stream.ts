import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { Begin, RouseRunRequest, RouseRunResponse } from "#proto/rouse/orders/v1/durable.ts";
import type { AnyMethodDefinition } from "../definition.ts";
import { recordOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import { reportProgress } from "../server/call.ts";
import { ending } from "../server/failure.ts";
import type { Runtime } from "../server/runtime.ts";
import { meshCalls } from "./calls.ts";
import { runContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { type Keeper, Machine, type Outcome } from "./machine.ts";
import { decodeRequest, encodeResponse, functionError } from "./messages.ts";
import type { DurableFunction } from "./types.ts";

/** The stream of one run with orders. */
export type RunStream = ServerDuplexStream<RouseRunRequest, RouseRunResponse>;

/** A durable method of this server. */
export interface DurableMethod<State> {
  readonly method: AnyMethodDefinition;
  readonly work: DurableFunction<unknown, unknown, State>;
}

/** Runs a function for orders, which keeps the journal: one stream from its beginning until it has ended or only waits. */
export class StreamedRun<State> {
  readonly #stream: RunStream;
  readonly #runtime: Runtime<State>;
  readonly #methods: ReadonlyMap<string, DurableMethod<State>>;
  readonly #recorded: Entry[] = [];
  #begin: Begin | undefined;
  #machine: Machine | undefined;
  #over = false;

  /** @param methods by their names in the contract. */
  constructor(
    stream: RunStream,
    runtime: Runtime<State>,
    methods: ReadonlyMap<string, DurableMethod<State>>,
  ) {
    this.#stream = stream;
    this.#runtime = runtime;
    this.#methods = methods;
    runtime.open.add(this);
    stream.on("data", ({ message }: RouseRunRequest) => this.#take(message));
    stream.on("end", () => this.#leave());
    stream.on("cancelled", () => this.#leave());
    stream.on("error", () => this.#leave());
  }

  /** The server is forced to stop: another instance goes on. */
  cut(): void {
    const error = new RouseError(
      "UNAVAILABLE",
      "A durable run was cut: the service stops and its grace time is over. It goes on at another instance.",
      { reason: "SERVER_STOPPING" },
    );
    if (this.#close(error)) this.#stream.emit("error", ending(error, undefined));
  }

  #take(message: RouseRunRequest["message"]): void {
    switch (message?.$case) {
      case "begin":
        this.#begin = message.value;
        break;
      case "recorded":
        this.#recorded.push(...message.value.entries);
        break;
      case "committed":
        this.#machine?.committed(message.value.indexes);
        return;
      case "completed":
        if (message.value.entry !== undefined) this.#machine?.completed(message.value.entry);
        return;
      case "cancelled":
        this.#machine?.cancel(cancelled(message.value.reason));
        return;
      case "ended":
        this.#leave();
        return;
    }
    if (this.#begin !== undefined && this.#recorded.length >= this.#begin.recorded) this.#start(this.#begin);
  }

  #start(begin: Begin): void {
    if (this.#machine !== undefined || this.#over) return;
    const found = this.#methods.get(begin.method);
    if (found === undefined) {
      const error = unknownMethod(this.#runtime.service, begin.method);
      if (this.#close(error)) this.#stream.emit("error", ending(error, undefined));
      return;
    }
    const keeper: Keeper = {
      send: (entry, last) => this.#send({ $case: "entry", value: entry }, last),
      waiting: (indexes) => this.#send({ $case: "waiting", value: { indexes: [...indexes] } }),
    };
    const machine = new Machine(this.#recorded, keeper, { ahead: true });
    this.#machine = machine;
    const cameMs = performance.now();
    const { method, work } = found;
    const { run, key, caller } = begin;
    const context = runContext({
      facts: { run, key, caller },
      state: this.#runtime.state,
      machine,
      calls: meshCalls,
      clock: Date.now,
      progress: (fraction, note) => reportProgress(run, fraction, note),
    });
    void machine
      .run(async () => work(decodeRequest(method, begin.request), context))
      .then((outcome) => this.#finish(method, begin, outcome, performance.now() - cameMs));
  }

  #finish(method: AnyMethodDefinition, { run, caller }: Begin, outcome: Outcome, tookMs: number): void {
    // Cancelled: orders knows already.
    if (this.#over || this.#machine?.signal.aborted) return;
    let code: number = status.OK;
    try {
      if ("error" in outcome) throw outcome.error;
      const response = encodeResponse(method, outcome.response);
      this.#send({ $case: "result", value: { response } });
    } catch (thrown) {
      const error = functionError(thrown, { method: method.name, run, log: this.#runtime.log });
      code = error.code;
      this.#send({ $case: "failure", value: { error: recordOf(error) } });
    }
    this.#runtime.counts?.add(method.name, caller || undefined, code, tookMs);
  }

  #send(message: NonNullable<RouseRunResponse["message"]>, more = false): void {
    if (!this.#over) this.#stream.write({ message, more });
  }

  /** Orders is done with the run, for now or for good. */
  #leave(): void {
    if (this.#close(goesOn()) && !this.#stream.cancelled) this.#stream.end();
  }

  /** False when it was closed before. */
  #close(error: RouseError): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#runtime.open.delete(this);
    this.#machine?.letGo(error);
    return true;
  }
}

function cancelled(reason: string): RouseError {
  return new RouseError("CANCELLED", `The run was cancelled: ${reason || "no reason was given"}.`, {
    reason: "OPERATION_CANCELLED",
  });
}

function goesOn(): RouseError {
  return new RouseError("CANCELLED", "The run goes on later, or at another instance.", {
    reason: "CALL_CANCELLED",
  });
}

function unknownMethod(service: string, method: string): RouseError {
  return new RouseError(
    "UNIMPLEMENTED",
    `${service} has no durable method ${method}. Its contract and its code disagree: run "rouse gen", then register it again.`,
    { reason: "METHOD_NOT_DURABLE" },
  );
}
