import { createChannel, createClient, FetchTransport, Metadata } from "nice-grpc-web";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import { RouseError } from "../errors.ts";
import { browserError } from "./errors.ts";
import type { BrowserCallOptions, BrowserClient, BrowserClientOptions, ResponseMetadata } from "./types.ts";

const defaultStartTimeoutMs = 30_000;

/** nice-grpc-web's view of a method, message types checked by ours. */
interface NiceMethod {
  path: string;
  requestStream: false;
  responseStream: boolean;
  requestSerialize: (message: unknown) => Uint8Array;
  requestDeserialize: (bytes: Uint8Array) => unknown;
  responseSerialize: (message: unknown) => Uint8Array;
  responseDeserialize: (bytes: Uint8Array) => unknown;
  options: object;
}

type NiceCall = (request: unknown, options: object) => Promise<unknown> & AsyncIterable<unknown>;

/**
 * A client for browsers: gRPC-web by fetch, for unary and server-streaming methods. Calls throw RouseErrors with the
 * status, reason and metadata that the server sent.
 *
 * A method with a request stream throws CLIENT_STREAM_IN_BROWSER (UNIMPLEMENTED): browsers cannot send one.
 */
export function createBrowserClient<Definition extends ServiceDefinition>(
  definition: Definition,
  options: BrowserClientOptions = {},
): BrowserClient<Definition> {
  const baseUrl = options.baseUrl ?? globalThis.location?.origin ?? "";
  const channel = createChannel(address(baseUrl), FetchTransport());
  const client: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition.methods)) {
    if (method.mode === "job") continue;
    if (method.requestStream) {
      client[name] = () => {
        throw clientStream(definition, method);
      };
      continue;
    }
    const { call }: Record<string, unknown> = createClient({ call: niceMethod(method) }, channel);
    client[name] = method.responseStream
      ? (request: unknown, callOptions: BrowserCallOptions = {}) =>
          stream(call as NiceCall, request, begin(definition, method, options, callOptions))
      : (request: unknown, callOptions: BrowserCallOptions = {}) =>
          once(call as NiceCall, request, begin(definition, method, options, callOptions));
  }
  return client as BrowserClient<Definition>;
}

/** A call under way: what nice-grpc-web is given, and what is needed to make sense of its error. */
interface Started {
  readonly method: AnyMethodDefinition;
  readonly nice: object;
  /** Ends the request if it still runs, and the timer. */
  readonly end: () => void;
  readonly deadlineMs: number;
  readonly late: () => boolean;
  readonly details: () => Uint8Array | undefined;
}

function begin(
  definition: ServiceDefinition,
  method: AnyMethodDefinition,
  { version, metadata: common }: BrowserClientOptions,
  options: BrowserCallOptions,
): Started {
  const { signal, metadata: own, deadlineMs = defaultDeadlineMs(definition, method) } = options;
  const metadata = new Metadata({ ...common, ...own });
  if (version !== undefined) metadata.set("rouse-version", version);
  const limit = new AbortController();
  let late = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (deadlineMs > 0) {
    metadata.set("grpc-timeout", deadlineMs < 1e8 ? `${deadlineMs}m` : `${Math.round(deadlineMs / 1_000)}S`);
    const expire = () => {
      late = true;
      limit.abort();
    };
    if (deadlineMs < 2 ** 31) timer = setTimeout(expire, deadlineMs);
  }
  let details: Uint8Array | undefined;
  const onHeader = (header: Metadata) => options.onHeader?.(byName(header));
  const onTrailer = (trailer: Metadata) => {
    details = trailer.get("grpc-status-details-bin");
    options.onTrailer?.(byName(trailer));
  };
  const both = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
  const nice = { metadata, signal: both, onHeader, onTrailer };
  const end = () => {
    clearTimeout(timer);
    limit.abort();
  };
  return { method, nice, end, deadlineMs, late: () => late, details: () => details };
}

function byName(metadata: Metadata): ResponseMetadata {
  return new Map([...metadata].map(([name, values]) => [name, [...values]]));
}

async function once(call: NiceCall, request: unknown, started: Started): Promise<unknown> {
  try {
    return await call(request, started.nice);
  } catch (thrown) {
    throw browserError(thrown, started.method.name, started);
  } finally {
    started.end();
  }
}

/** Answers as they come. Leaving the loop ends the request: nice-grpc-web by itself would wait for its next message. */
function stream(call: NiceCall, request: unknown, started: Started): AsyncIterableIterator<unknown> {
  const answers = call(request, started.nice)[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const next = await answers.next();
        if (next.done) started.end();
        return next;
      } catch (thrown) {
        started.end();
        throw browserError(thrown, started.method.name, started);
      }
    },
    async return() {
      started.end();
      // The request was ended on purpose; that it says so is no news.
      answers.return?.().catch(() => {});
      return { done: true, value: undefined };
    },
  };
}

function defaultDeadlineMs(definition: ServiceDefinition, method: AnyMethodDefinition): number {
  if (method.deadlineMs === 0) return 0;
  return method.deadlineMs + (definition.startTimeoutMs ?? defaultStartTimeoutMs);
}

function address(baseUrl: string): string {
  const url = URL.parse(baseUrl);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The base URL "${baseUrl}" is no web address. Give the mesh's edge, such as "http://127.0.0.1:8080".`,
      { reason: "BASE_URL_INVALID", metadata: { baseUrl } },
    );
  }
  return baseUrl.replace(/\/+$/, "");
}

function niceMethod(method: AnyMethodDefinition): NiceMethod {
  return {
    path: method.path,
    requestStream: false,
    responseStream: method.responseStream,
    requestSerialize: method.encodeRequest as (message: unknown) => Uint8Array,
    requestDeserialize: method.decodeRequest,
    responseSerialize: method.encodeResponse as (message: unknown) => Uint8Array,
    responseDeserialize: method.decodeResponse,
    options: {},
  };
}

function clientStream(definition: ServiceDefinition, method: AnyMethodDefinition): RouseError {
  return new RouseError(
    "UNIMPLEMENTED",
    `Browsers cannot send a stream of requests, so ${definition.name}/${method.name} cannot be called from one. ` +
      "Call it from Node, or give the contract a unary or server-streaming method.",
    { reason: "CLIENT_STREAM_IN_BROWSER", metadata: { service: definition.name, method: method.name } },
  );
}
