import { Metadata } from "@grpc/grpc-js";
import { type Operation, OperationState, OperationsClient } from "#proto/rouse/orders/v1/operations.ts";
import type { AnyMethodDefinition, RequestOf, ResponseOf, ServiceDefinition } from "../definition.ts";
import { errorOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import { callError, unary } from "../grpc.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import { defaultTarget } from "./attempt.ts";
import type { SharedChannel } from "./channel.ts";
import { shareChannel } from "./channel.ts";
import { isAway, pause } from "./retry.ts";
import type { ClientOptions } from "./types.ts";

/** One call of WaitOperation asks for so long, ms. */
export const POLL_MS = 30_000;
/** Orders may have to start their database at first, ms. */
export const START_MS = 90_000;
/** Pause while orders are away, ms. */
export const AWAY_MS = 500;
const MOST_BYTES = 64 * 2 ** 20;

/** Settings of an async call. */
export interface AsyncCallOptions {
  /** The same key gives the same operation, however often and from wherever it is started. */
  readonly idempotencyKey?: string;
  /** Longest time of the call, ms, within what the contract allows. Default: the contract's. */
  readonly deadlineMs?: number;
  /** How long the result is kept after the end, ms: 1 minute to 90 days. Default 7 days. */
  readonly keepMs?: number;
  /** Durable methods only: runs of a service with the same key are made one after the other, in their order. */
  readonly key?: string;
  /** Waits so long for the end before it answers, ms: a call that is done by then has its result at once. Default 0. */
  readonly waitMs?: number;
  /**
   * Headers with which it is started and followed, such as `authorization: Bearer KEY` at the edge; the method itself does not get
   * them. Default: none.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An operation as it is at one moment. */
export interface OperationView<Response> {
  readonly id: string;
  readonly state: "waiting" | "running" | "succeeded" | "failed" | "cancelled";
  /** The version that the call stays with. */
  readonly version: string;
  /** What the handler said last; undefined: nothing. */
  readonly progress: { readonly fraction: number; readonly note: string } | undefined;
  /** Set when it has succeeded. */
  readonly response: Response | undefined;
  /** Set when it has failed or was cancelled. */
  readonly error: RouseError | undefined;
  /** How often the call was made. */
  readonly attempts: number;
  /** When it is forgotten, ms since 1970; undefined: it has not ended. */
  readonly expiresAtMs: number | undefined;
}

/** An async call: its id is all that one needs to ask for it again, from anywhere. Errors are {@link RouseError}s. */
export interface OperationHandle<Response> {
  readonly id: string;
  /** It had ended when it was started with `waitMs`: then `wait` answers at once. */
  readonly ended: boolean;
  get(): Promise<OperationView<Response>>;
  /**
   * The response.
   *
   * @throws RouseError the call's own; DEADLINE_EXCEEDED OPERATION_NOT_ENDED after `timeoutMs` (default: none).
   */
  wait(options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<Response>;
  /** As it is, then each change, until it has ended. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<OperationView<Response>>;
  /** Ends it, if it has not ended. @param reason told to those who wait. */
  cancel(reason?: string): Promise<void>;
}

/** Methods that are async by the contract: each answers with an operation at once. */
export type AsyncMethods<Definition extends ServiceDefinition> = {
  readonly [Name in keyof Definition["methods"] as Definition["methods"][Name]["mode"] extends "sync" | "job"
    ? never
    : Name]: (
    request: RequestOf<Definition["methods"][Name]>,
    options?: AsyncCallOptions,
  ) => Promise<OperationHandle<ResponseOf<Definition["methods"][Name]>>>;
};

/** The async methods of a service, on a client's connection. */
export function asyncMethods(
  definition: ServiceDefinition,
  version: string | undefined,
  channel: SharedChannel,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition.methods)) {
    if (method.mode === "sync" || method.mode === "job") continue;
    out[name] = async (request: unknown, options: AsyncCallOptions = {}) => {
      const at = { definition, method, version, channel };
      const started = await start(at, request, options).catch((thrown: unknown) => {
        const error = RouseError.from(thrown);
        // What orders or the mesh say of it is told as it is.
        throw isAway(error) && error.reason === error.status ? ordersAway(error, "async calls") : error;
      });
      return handle(method, started.id, channel, { started, headers: options.headers });
    };
  }
  return out;
}

/** What a caller is told that cannot reach orders. @param what they keep, such as "durable runs". */
export function ordersAway(cause: RouseError, what: string): RouseError {
  return new RouseError(
    "UNAVAILABLE",
    `Orders, which keep ${what}, do not answer (${cause.message}). Look at "rouse status"; the same idempotencyKey makes a second try safe.`,
    { reason: "ORDERS_AWAY", cause },
  );
}

/** What is started, and by which connection. */
export interface StartedAt {
  readonly definition: ServiceDefinition;
  readonly method: AnyMethodDefinition;
  readonly version: string | undefined;
  readonly channel: SharedChannel;
}

/** Starts an operation. */
export function start(
  { definition, method, version, channel }: StartedAt,
  request: unknown,
  options: AsyncCallOptions & { readonly signal?: AbortSignal },
): Promise<Operation> {
  const bytes = (method.encodeRequest as (message: unknown) => Uint8Array)(request);
  const { idempotencyKey = "", deadlineMs = 0, keepMs = 0, key = "", waitMs = 0, signal, headers } = options;
  return unary(
    clientOf(channel),
    "startOperation",
    {
      service: definition.name,
      version: version ?? "",
      method: method.name,
      request: Buffer.from(bytes),
      idempotencyKey,
      deadlineMs,
      keepMs,
      key,
      waitMs,
    },
    { deadlineMs: START_MS + waitMs, metadata: metadataOf(headers), ...(signal && { signal }) },
  );
}

/**
 * An operation that was started elsewhere or earlier.
 *
 * @param method its definition, such as `AlignServiceDefinition.methods.align`.
 */
export function operation<Method extends AnyMethodDefinition>(
  method: Method,
  id: string,
  options: Pick<ClientOptions, "target"> & Pick<AsyncCallOptions, "headers"> = {},
): OperationHandle<ResponseOf<Method>> {
  return handle(method, id, shareChannel(defaultTarget(options), MOST_BYTES), options);
}

/** An operation, as it was started if that is known. */
export function handle<Method extends AnyMethodDefinition>(
  method: Method,
  id: string,
  channel: SharedChannel,
  {
    started,
    headers,
  }: { readonly started?: Operation; readonly headers?: AsyncCallOptions["headers"] | undefined } = {},
): OperationHandle<ResponseOf<Method>> {
  const metadata = metadataOf(headers);
  type Response = ResponseOf<Method>;
  const view = (found: Operation): OperationView<Response> => viewOf(method, found);
  const early = started !== undefined && started.endedAtMs > 0 ? started : undefined;
  return {
    id,
    ended: early !== undefined,
    get: async () => view(await unary(clientOf(channel), "getOperation", { id }, { metadata })),
    async wait({ timeoutMs = Number.POSITIVE_INFINITY, signal } = {}) {
      const endMs = performance.now() + timeoutMs;
      for (;;) {
        const leftMs = Math.max(1, Math.min(POLL_MS, endMs - performance.now()));
        const found =
          early ??
          (await ask(() =>
            unary(
              clientOf(channel),
              "waitOperation",
              { id, timeoutMs: Math.round(leftMs) },
              { deadlineMs: leftMs + 10_000, metadata, ...(signal && { signal }) },
            ),
          ));
        if (found !== undefined && found.endedAtMs > 0) {
          const { response, error } = view(found);
          if (error !== undefined) throw error;
          return response as Response;
        }
        signal?.throwIfAborted();
        if (performance.now() >= endMs) throw notEnded(id, timeoutMs);
        if (found === undefined) await pause(AWAY_MS, signal);
      }
    },
    async *watch({ signal } = {}) {
      let revision = 0;
      for (;;) {
        const stream = clientOf(channel).watchOperation({ id }, metadata);
        const cancel = () => stream.cancel();
        signal?.addEventListener("abort", cancel, { once: true });
        try {
          for await (const found of stream as AsyncIterable<Operation>) {
            if (found.revision > revision) yield view(found);
            revision = found.revision;
            if (found.endedAtMs > 0) return;
          }
        } catch (thrown) {
          signal?.throwIfAborted();
          const error = callError(thrown);
          if (!isAway(error)) throw error;
          await pause(AWAY_MS, signal);
        } finally {
          signal?.removeEventListener("abort", cancel);
          stream.cancel();
        }
      }
    },
    async cancel(reason = "") {
      await unary(clientOf(channel), "cancelOperation", { id, reason }, { metadata });
    },
  };
}

/** undefined while orders are away: they come back, and nothing is lost. */
async function ask<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    const error = RouseError.from(thrown);
    if (isAway(error)) return undefined;
    throw error;
  }
}

const words: Readonly<Partial<Record<OperationState, OperationView<unknown>["state"]>>> = {
  [OperationState.WAITING]: "waiting",
  [OperationState.RUNNING]: "running",
  [OperationState.SUCCEEDED]: "succeeded",
  [OperationState.FAILED]: "failed",
  [OperationState.CANCELLED]: "cancelled",
};

function viewOf<Method extends AnyMethodDefinition>(
  method: Method,
  { id, state, version, progress, response, error, attempts, expiresAtMs }: Operation,
): OperationView<ResponseOf<Method>> {
  const succeeded = state === OperationState.SUCCEEDED;
  return {
    id,
    state: words[state] ?? "waiting",
    version,
    progress,
    response: succeeded ? (method.decodeResponse(response) as ResponseOf<Method>) : undefined,
    error: error && errorOf(error),
    attempts,
    expiresAtMs: expiresAtMs > 0 ? expiresAtMs : undefined,
  };
}

function notEnded(id: string, timeoutMs: number): RouseError {
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `Operation ${id} has not ended within ${timeoutMs} ms; it goes on. Wait again, or cancel it.`,
    { reason: "OPERATION_NOT_ENDED", metadata: { operation: id } },
  );
}

function metadataOf(headers: AsyncCallOptions["headers"] = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  if (process.env.ROUSE_SERVICE) metadata.set(CALLER_HEADER, process.env.ROUSE_SERVICE);
  return metadata;
}

const clients = new WeakMap<SharedChannel["grpc"], OperationsClient>();

/** The API's client on a connection that others share. */
export function clientOf({ grpc }: SharedChannel): OperationsClient {
  let client = clients.get(grpc);
  if (client === undefined) {
    client = new OperationsClient("", undefined as never, { channelOverride: grpc.getChannel() });
    clients.set(grpc, client);
  }
  return client;
}
