import type { Readable } from "node:stream";
import type { Metadata } from "@grpc/grpc-js";
import type { AnyMethodDefinition, RequestOf, ResponseOf, ServiceDefinition } from "../definition.ts";
import type { Run } from "../durable/types.ts";

/** What a handler knows of the call beside its request. */
export interface Call<State = undefined> {
  /** What `options.state` made, shared by all calls. */
  readonly state: State;
  /** Request headers. */
  readonly metadata: Metadata;
  /** When the caller stops waiting or the method's longest time ends, ms since 1970; undefined: never. */
  readonly deadline: number | undefined;
  /** Aborts when the caller cancels, the deadline passes or the server is forced to stop. Its reason is a RouseError. */
  readonly signal: AbortSignal;
  /** Address of the caller, such as "127.0.0.1:51234". */
  readonly peer: string;
  /** W3C trace context of this call, for clients that are not Rouse's; undefined when there is none. */
  readonly traceparent: string | undefined;
  /** Value of the contract's session_key; undefined: the call has none. */
  readonly session: string | undefined;
  /** Set when the call is async: the operation that it is made for. */
  readonly operation: CallOperation | undefined;
  /** Adds a response header. Only before the first message. */
  setHeader(name: string, value: string): void;
  /** Adds a trailer, sent with the status. */
  setTrailer(name: string, value: string): void;
}

/** The operation that a call is made for. */
export interface CallOperation {
  /** The same when the call is made again after a crash: a handler that notes it knows what it has done already. */
  readonly id: string;
  /** Tells whoever waits how far the call is. @param fraction 0 to 1. @param note at most 500 characters. */
  progress(fraction: number, note?: string): void;
}

/** What the handler of a job knows beside its request. */
export interface JobCall<State = undefined> {
  /** What `options.state` made. */
  readonly state: State;
  readonly job: Job;
  /** When its time is over, ms since 1970. */
  readonly deadline: number;
  /** Aborts when the job is told to stop. Its reason is a RouseError. */
  readonly signal: AbortSignal;
}

/**
 * A job from its inside. It has no network; everything that it reads or leaves behind goes through here. Errors are
 * {@link RouseError}s.
 */
export interface Job {
  readonly id: string;
  /** How often the order has tried before. */
  readonly attempt: number;
  /** URIs of its inputs, by name. */
  readonly inputs: Readonly<Record<string, string>>;
  /** What was noted of the order. */
  readonly metadata: Readonly<Record<string, string>>;
  /** A folder that is its own and goes with it. */
  readonly scratch: string;
  /**
   * The content of an input, as it comes in.
   *
   * @throws RouseError NOT_FOUND JOB_INPUT_UNKNOWN, and what the artifact store throws.
   */
  input(name: string): Promise<Readable>;
  /** Copies an input to the scratch folder, for programs that want a file. @returns its path. */
  inputFile(name: string): Promise<string>;
  /**
   * Keeps a result as an artifact, under a name of its own; the same name again replaces it.
   *
   * @param name letters, digits, ".", "_", "-"; at most 100.
   */
  output(
    name: string,
    content: Uint8Array | string | AsyncIterable<Uint8Array | string>,
    options?: { readonly mediaType?: string },
  ): Promise<JobOutput>;
  /** Notes something of this job, for people and searches: short texts. */
  note(name: string, value: string): Promise<void>;
  /** Tells whoever waits how far the job is. @param fraction 0 to 1. @param note at most 500 characters. */
  progress(fraction: number, note?: string): void;
}

/** An artifact that a job has put out. */
export interface JobOutput {
  readonly name: string;
  /** "artifact:sha256-…", to be passed on. */
  readonly uri: string;
  readonly bytes: number;
}

/** The handler of one method, by its shape. */
export type Handler<Method extends AnyMethodDefinition, State> = Method["mode"] extends "job"
  ? (request: RequestOf<Method>, call: JobCall<State>) => Promise<ResponseOf<Method>> | ResponseOf<Method>
  : Method extends { readonly durable: true }
    ? (request: RequestOf<Method>, run: Run<State>) => Promise<ResponseOf<Method>> | ResponseOf<Method>
    : CallHandler<Method, State>;

type CallHandler<Method extends AnyMethodDefinition, State> = Method["requestStream"] extends true
  ? Method["responseStream"] extends true
    ? (requests: AsyncIterable<RequestOf<Method>>, call: Call<State>) => AsyncIterable<ResponseOf<Method>>
    : (
        requests: AsyncIterable<RequestOf<Method>>,
        call: Call<State>,
      ) => Promise<ResponseOf<Method>> | ResponseOf<Method>
  : Method["responseStream"] extends true
    ? (request: RequestOf<Method>, call: Call<State>) => AsyncIterable<ResponseOf<Method>>
    : (request: RequestOf<Method>, call: Call<State>) => Promise<ResponseOf<Method>> | ResponseOf<Method>;

/** The handlers of all methods of a service. */
export type Handlers<Definition extends ServiceDefinition, State = undefined> = {
  [Name in keyof Definition["methods"]]: Handler<Definition["methods"][Name], State>;
};

/**
 * What a service does when its sessions move or end. A session is what calls with the same value of the contract's
 * session_key have in common; what it consists of is the service's own.
 */
export interface SessionHooks<State = undefined> {
  /**
   * Gives a session away, for an instance that retires: what `takeOver` needs to go on with it. No call of the session is
   * open, and none comes until this has answered; it has as long as the contract's hand_over_timeout. When it fails, the
   * session stays. Without this hook sessions stay with a retiring instance until they end or its time is over.
   */
  handOver?(key: string, state: State): Promise<Uint8Array> | Uint8Array;
  /** Goes on with a session of another instance, before its first call comes here. */
  takeOver?(key: string, bytes: Uint8Array, state: State): Promise<void> | void;
  /** The session had no call for the contract's idle_timeout and is over. */
  ended?(key: string, state: State): Promise<void> | void;
}

/** Where a server writes what went wrong; pino has this shape. */
export interface ServerLog {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** Settings of a server that need no state. */
export interface ServeOptions {
  /** "host:port" or "unix:/path". Default: ROUSE_LISTEN, then 127.0.0.1:50051. */
  listen?: string;
  /** Longest time that open calls get after a stop signal, ms. Default 9,000: within the agent's 10,000. */
  graceMs?: number;
  /** Most bytes of one request message. Default 4 MiB (gRPC's own). */
  maxRequestBytes?: number;
  /** Most bytes of one response message. Default 64 MiB. */
  maxResponseBytes?: number;
  /** Default: pino, JSON lines on standard error. */
  log?: ServerLog;
  /** google.protobuf.FileDescriptorSet with imports, base64: turns on server reflection. Read at its first use. */
  descriptorSet?: string | (() => string | Promise<string>);
  /** Stop on SIGTERM and SIGINT and end the process. Default true. */
  handleSignals?: boolean;
  /** Tell the agent (ROUSE_NOTIFY) when the server is ready. Default true. */
  notify?: boolean;
  /** What happens to sessions; only with a session_key in the contract. */
  sessions?: SessionHooks;
}

/** Settings of a server whose calls share state. */
export interface StatefulServeOptions<State> extends Omit<ServeOptions, "sessions"> {
  /** Makes what all calls share, such as an open index; the server is ready when it resolves. */
  state: () => Promise<State> | State;
  /** What happens to sessions; only with a session_key in the contract. */
  sessions?: SessionHooks<State>;
  /** Closes the state after the last call ended. */
  close?: (state: State) => Promise<void> | void;
}

/** A server that listens. */
export interface RunningServer {
  /** "host:port" with the bound port, or "unix:/path". */
  readonly address: string;
  /** Resolves when the server has stopped, for whatever reason. */
  readonly stopped: Promise<void>;
  /** Health goes NOT_SERVING, open calls get the grace time, then they are cut. Idempotent. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** `serve` of one service; the generated `serve` has this type. */
export interface ServeFunction<Definition extends ServiceDefinition> {
  <State>(
    handlers: Handlers<Definition, State>,
    options: StatefulServeOptions<State>,
  ): Promise<RunningServer>;
  (handlers: Handlers<Definition, undefined>, options?: ServeOptions): Promise<RunningServer>;
}
