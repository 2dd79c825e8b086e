import type {
  AnyMethodDefinition,
  CalledName,
  RequestOf,
  ResponseOf,
  ServiceDefinition,
} from "../definition.ts";
import type { AsyncMethods } from "./operations.ts";

/** Settings of a client. */
export interface ClientOptions {
  /** "host:port" or "unix:/path". Default: ROUSE_MESH (set by the mesh), then 127.0.0.1:8080 (the edge). */
  target?: string;
  /** Which version to call: exact ("1.4.0"), a line ("1.4"), a range ("^1.2.0") or a tag ("beta"). Default: release. */
  version?: string;
  /**
   * Who chooses the instance of a call: Envoy, or this client, which then calls instances directly. Default: what the
   * contract says. Only within the mesh; sessions always go through Envoy. Such a client keeps a stream open until it is
   * closed.
   */
  balancing?: "envoy" | "client";
  /** Most retries of an idempotent call that was UNAVAILABLE before any response. Default 3; 0: none. Envoy has its own. */
  retries?: number;
  /** Most bytes of one response message. Default 64 MiB. */
  maxResponseBytes?: number;
}

/** Settings of one call. */
export interface ClientCallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
  /** Longest time of the call with its retries, ms; 0: none. Default: the method's plus the longest wake. */
  deadlineMs?: number;
  /** Request headers. A durable method's run is started and awaited with `authorization` alone. */
  metadata?: Readonly<Record<string, string>>;
  /** Durable methods only: runs of a service with the same key are made one after the other. */
  key?: string;
  /** Durable methods only: the same idempotency key gives the same run. */
  idempotencyKey?: string;
  /** W3C trace context. Default: that of the server call in whose handler the client is used. */
  traceparent?: string;
}

/** One method of a client, by its shape. Errors are {@link RouseError}s. */
export type ClientMethod<Method extends AnyMethodDefinition> = (
  request: Method["requestStream"] extends true ? AsyncIterable<RequestOf<Method>> : RequestOf<Method>,
  options?: ClientCallOptions,
) => Method["responseStream"] extends true ? AsyncIterable<ResponseOf<Method>> : Promise<ResponseOf<Method>>;

/** Ends a client. A service whose contract has a method "Close" keeps that name; then there is Symbol.dispose alone. */
export type Closable<Definition extends ServiceDefinition> = Disposable &
  ("close" extends keyof Definition["methods"]
    ? unknown
    : {
        /** Lets go of the connection; the last client of a target closes it. */
        close(): void;
      });

/** Async calls of a client. A service whose contract has a method "Async" keeps that name, and has none. */
export type Asynchronous<Definition extends ServiceDefinition> = "async" extends keyof Definition["methods"]
  ? unknown
  : {
      /** Methods that are async by the contract: each answers with an operation at once, and the result comes later. */
      readonly async: AsyncMethods<Definition>;
    };

/** A client of a service: one function per method that is called; jobs are ordered instead. */
export type Client<Definition extends ServiceDefinition> = {
  readonly [Name in CalledName<Definition>]: ClientMethod<Definition["methods"][Name]>;
} & Closable<Definition> &
  Asynchronous<Definition>;
