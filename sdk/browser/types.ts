import type {
  AnyMethodDefinition,
  CalledName,
  RequestOf,
  ResponseOf,
  ServiceDefinition,
} from "../definition.ts";

/** Settings of a browser client. */
export interface BrowserClientOptions {
  /** Address of the mesh's edge, such as "https://mesh.example.org". Default: the page's own origin. */
  baseUrl?: string;
  /** Which version to call: exact ("1.4.0"), a line ("1.4"), a range ("^1.2.0") or a tag ("beta"). Default: release. */
  version?: string;
  /** Headers of every call, such as {authorization: "Bearer …"}. */
  metadata?: Readonly<Record<string, string>>;
}

/** Settings of one call from a browser. */
export interface BrowserCallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
  /** Longest time of the call, ms; 0: none. Default: the method's plus the longest wake. */
  deadlineMs?: number;
  /** Headers of this call; bytes for names that end with "-bin". */
  metadata?: Readonly<Record<string, string | Uint8Array>>;
  /** Is told the response's headers before its first message; not called when the edge refused the call at once. */
  onHeader?: (header: ResponseMetadata) => void;
  /** Is told the trailers: after the last message, or with the error. */
  onTrailer?: (trailer: ResponseMetadata) => void;
}

/** Headers or trailers by name, in lower case; bytes for names that end with "-bin". */
export type ResponseMetadata = ReadonlyMap<string, readonly (string | Uint8Array)[]>;

/** One method of a browser client. Methods with a request stream are left out: browsers cannot send one. */
export type BrowserMethod<Method extends AnyMethodDefinition> = (
  request: RequestOf<Method>,
  options?: BrowserCallOptions,
) => Method["responseStream"] extends true ? AsyncIterable<ResponseOf<Method>> : Promise<ResponseOf<Method>>;

/** A client for browsers: one function per unary or server-streaming method. */
export type BrowserClient<Definition extends ServiceDefinition> = {
  readonly [Name in CalledName<Definition> as Definition["methods"][Name]["requestStream"] extends true
    ? never
    : Name]: BrowserMethod<Definition["methods"][Name]>;
};
