/** One method of a service as the code generator writes it, with the codecs of its messages. */
export interface MethodDefinition<Request, Response> {
  /** Name in the contract, such as "GetSequence". */
  readonly name: string;
  /** HTTP path, such as "/genome.v1.GenomeService/GetSequence". */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly encodeRequest: (message: Request) => Uint8Array;
  readonly decodeRequest: (bytes: Uint8Array) => Request;
  readonly encodeResponse: (message: Response) => Uint8Array;
  readonly decodeResponse: (bytes: Uint8Array) => Response;
  /** The contract says that a second call does no harm (idempotency_level): clients may retry. */
  readonly idempotent: boolean;
  /** Longest time of a call in ms, the wake not included; 0: none. */
  readonly deadlineMs: number;
  /** "job": not called but ordered, and run once for each order. */
  readonly mode: "sync" | "async" | "both" | "job";
  /** The handler is a durable function; absent: it is not. */
  readonly durable?: true;
}

/** Any {@link MethodDefinition}, whatever its messages. */
export interface AnyMethodDefinition
  extends Omit<
    MethodDefinition<unknown, unknown>,
    "encodeRequest" | "decodeRequest" | "encodeResponse" | "decodeResponse"
  > {
  readonly encodeRequest: (message: never) => Uint8Array;
  readonly decodeRequest: (bytes: Uint8Array) => unknown;
  readonly encodeResponse: (message: never) => Uint8Array;
  readonly decodeResponse: (bytes: Uint8Array) => unknown;
}

/** How long sessions live and how they move, ms. */
export interface SessionTimes {
  /** A session without call for so long is over. */
  readonly idleMs: number;
  /** So long an instance that retires keeps its sessions. */
  readonly retireMs: number;
  /** Longest time in which one session is handed over. */
  readonly handOverMs: number;
}

/** One service version as the code generator writes it: all that server, client and browser need to speak it. */
export interface ServiceDefinition {
  /** Full name, such as "genome.v1.GenomeService". */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  /** Request header that names a session; empty: none. */
  readonly sessionKey: string;
  /** How sessions live and move, ms; absent without a session key. */
  readonly sessions?: SessionTimes;
  /** Generated Node clients choose the instances themselves unless they are told otherwise. */
  readonly balancing?: "client";
  /** Longest time of a wake, ms: what clients add to a method's deadline. Default 30,000. */
  readonly startTimeoutMs?: number;
  /** By name in camel case, such as "getSequence". */
  readonly methods: Readonly<Record<string, AnyMethodDefinition>>;
}

/** Methods that are called: jobs are ordered instead. */
export type CalledName<Definition extends ServiceDefinition> = {
  [Name in keyof Definition["methods"]]: Definition["methods"][Name]["mode"] extends "job" ? never : Name;
}[keyof Definition["methods"]];

/** The request message of a method. */
export type RequestOf<Method extends AnyMethodDefinition> = ReturnType<Method["decodeRequest"]>;

/** The response message of a method. */
export type ResponseOf<Method extends AnyMethodDefinition> = ReturnType<Method["decodeResponse"]>;
