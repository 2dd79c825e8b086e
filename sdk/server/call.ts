import { Metadata } from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { OPERATION_HEADER } from "../operation-header.ts";
import { statusCodes } from "../status.ts";
import {
  CallSpan,
  formatTraceparent,
  isServerSampled,
  parseTraceparent,
  type TraceContext,
} from "../tracing/index.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import type { Runtime } from "./runtime.ts";
import { keyOf } from "./sessions/key.ts";
import type { Call, CallOperation } from "./types.ts";

type Reporter = import("./operation.ts").ProgressReporter;
let reporter: Promise<Reporter> | undefined;

/** Most servers have no async calls, and need not load what tells of their progress. */
export function reportProgress(id: string, fraction: number, note: string): void {
  reporter ??= import("./operation.ts").then(({ ProgressReporter }) => new ProgressReporter());
  void reporter.then((loaded) => loaded.report(id, fraction, note));
}

/** What all four shapes of grpc-js calls have. */
export interface GrpcCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getPeer(): string;
  getDeadline(): Date | number;
  sendMetadata(metadata: Metadata): void;
  on(event: "cancelled", listener: () => void): unknown;
}

/**
 * One call as its handler sees it. All that a short call does not need is made at its first use: most calls never
 * ask for a signal, and most are not traced.
 */
export class ServerCall<State> implements Call<State> {
  readonly state: State;
  readonly metadata: Metadata;
  /** Context for what the handler calls; undefined: the caller sent none. */
  readonly trace: TraceContext | undefined;
  /** Trailers that the handler set. */
  trailer: Metadata | undefined;

  readonly #grpc: GrpcCall;
  readonly #method: AnyMethodDefinition;
  readonly #runtime: Runtime<State>;
  readonly #span: CallSpan | undefined;
  readonly #ownDeadline: number;
  /** When it came, by performance.now(); 0: nobody counts. */
  readonly #cameMs: number;
  readonly #tell: (error: RouseError) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  #header: Metadata | undefined;
  #controller: AbortController | undefined;
  #finished = false;
  /** The caller was gone before the handler was done. */
  #left = false;

  /** @param tell Ends the call towards its caller before the handler is done. */
  constructor(
    runtime: Runtime<State>,
    method: AnyMethodDefinition,
    grpc: GrpcCall,
    tell: (error: RouseError) => void,
  ) {
    this.state = runtime.state;
    this.metadata = grpc.metadata;
    this.#grpc = grpc;
    this.#method = method;
    this.#runtime = runtime;
    this.#tell = tell;
    runtime.open.add(this);
    this.#cameMs = runtime.counts === undefined ? 0 : performance.now();

    const [traceparent] = grpc.metadata.get("traceparent");
    let trace: TraceContext | undefined;
    if (typeof traceparent === "string") {
      const [tracestate] = grpc.metadata.get("tracestate");
      trace = parseTraceparent(traceparent, typeof tracestate === "string" ? tracestate : undefined);
    }
    if (isServerSampled(trace)) {
      this.#span = new CallSpan("server", runtime.service, method.name, trace, runtime.resource);
      trace = this.#span.context;
    }
    this.trace = trace;

    this.#ownDeadline = Number.POSITIVE_INFINITY;
    if (method.deadlineMs > 0 && method.deadlineMs < longestTimer) {
      this.#ownDeadline = Date.now() + method.deadlineMs;
      // grpc-js itself ends the call at the caller's deadline.
      if (Number(grpc.getDeadline()) > this.#ownDeadline) {
        this.#timer = setTimeout(cut, method.deadlineMs, this).unref();
      }
    }
  }

  get deadline(): number | undefined {
    const deadline = Math.min(Number(this.#grpc.getDeadline()), this.#ownDeadline);
    return deadline === Number.POSITIVE_INFINITY ? undefined : deadline;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      // grpc-js emits "cancelled" at the end of every call, the good ones too.
      const cancel = () => {
        if (!this.#finished || this.#left) controller.abort(this.ended());
      };
      if (this.#grpc.cancelled) cancel();
      else this.#grpc.on("cancelled", cancel);
    }
    return this.#controller.signal;
  }

  get session(): string | undefined {
    const { sessionKey } = this.#runtime;
    return sessionKey === "" ? undefined : keyOf(this.metadata, sessionKey);
  }

  get operation(): CallOperation | undefined {
    const [id] = this.metadata.get(OPERATION_HEADER);
    if (typeof id !== "string" || id === "") return undefined;
    return { id, progress: (fraction, note = "") => reportProgress(id, fraction, note) };
  }

  get peer(): string {
    return this.#grpc.getPeer();
  }

  get traceparent(): string | undefined {
    return this.trace && formatTraceparent(this.trace);
  }

  setHeader(name: string, value: string): void {
    this.#header ??= new Metadata();
    this.#header.set(name, value);
  }

  setTrailer(name: string, value: string): void {
    this.trailer ??= new Metadata();
    this.trailer.set(name, value);
  }

  /** Sends the headers that the handler set; to be called before the first message. */
  sendHeader(): void {
    if (this.#header === undefined) return;
    this.#grpc.sendMetadata(this.#header);
    this.#header = undefined;
  }

  /** Ends the call's book-keeping. False when it had ended before: then nothing may be sent any more. */
  finish(error?: RouseError): boolean {
    if (this.#finished) return false;
    this.#finished = true;
    this.#left = this.#grpc.cancelled;
    this.#runtime.open.delete(this);
    clearTimeout(this.#timer);
    const { counts } = this.#runtime;
    if (this.#span !== undefined || counts !== undefined) {
      const outcome = error ?? (this.#left ? this.ended() : undefined);
      const code = outcome?.code ?? statusCodes.OK;
      this.#span?.end(code, outcome?.message);
      if (counts !== undefined) {
        const [caller] = this.metadata.get(CALLER_HEADER);
        const name = typeof caller === "string" ? caller : undefined;
        counts.add(this.#method.name, name, code, performance.now() - this.#cameMs);
      }
    }
    return true;
  }

  /** Why a call ended that nobody waits for any more. */
  ended(): RouseError {
    const { name } = this.#method;
    if (this.#runtime.forced) {
      return new RouseError("UNAVAILABLE", `${name} was cut: the service stops and its grace time is over.`, {
        reason: "SERVER_STOPPING",
      });
    }
    const deadline = Number(this.#grpc.getDeadline());
    if (Date.now() >= Math.min(deadline, this.#ownDeadline)) return this.#late();
    return new RouseError("CANCELLED", `${name} was cancelled by its caller.`, { reason: "CALL_CANCELLED" });
  }

  /** Ends the call before its handler is done: the method's own longest time has passed, or the server is forced. */
  cut(): void {
    // Timers may be a millisecond early by the clock, so that it is not asked.
    const error = this.#runtime.forced ? this.ended() : this.#late();
    if (!this.finish(error)) return;
    this.#controller?.abort(error);
    this.#tell(error);
  }

  #late(): RouseError {
    const { name, deadlineMs } = this.#method;
    const limit = deadlineMs > 0 ? `; the contract allows ${deadlineMs} ms` : "";
    return new RouseError("DEADLINE_EXCEEDED", `${name} was not done by its deadline${limit}.`, {
      reason: "DEADLINE_EXCEEDED",
    });
  }
}

/** Longest time of a Node timer, ms. */
const longestTimer = 2 ** 31 - 1;

function cut(call: { cut(): void }): void {
  call.cut();
}
