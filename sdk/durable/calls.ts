import { createHash } from "node:crypto";
import { createClient } from "../client/client.ts";
import type { ClientCallOptions } from "../client/types.ts";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import { type Entry, EntryKind, makeEntry } from "./entry.ts";
import type { Asked, Machine } from "./machine.ts";
import { runStep } from "./step.ts";
import type { RunCallOptions, RunClient, RunClientOptions } from "./types.ts";
import { decodeValue } from "./values.ts";

/** Request header of a call that a run makes: "<run>/<index>", the same when the call is made again. */
export const RUN_HEADER = "rouse-run";
const DIGEST_BYTES = 16;

/** Makes plain calls of other services. */
export type Calls = (
  definition: ServiceDefinition,
  method: string,
  request: unknown,
  client: RunClientOptions,
  call: ClientCallOptions,
) => Promise<unknown>;

export interface CallContext {
  readonly facts: { readonly run: string };
  readonly machine: Machine;
  readonly calls: Calls;
  readonly made: (asked: Asked, parts: Partial<Entry>) => (index: number) => Entry;
}

/** A client whose answers are journaled. */
export function runClient<Definition extends ServiceDefinition>(
  definition: Definition,
  settings: RunClientOptions,
  context: CallContext,
): RunClient<Definition> {
  const client: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition.methods)) {
    if (method.requestStream || method.responseStream) continue;
    const start = (request: unknown, options: RunCallOptions = {}) =>
      startOperation(definition, method, request, { ...settings, ...options }, context);
    client[name] =
      method.durable === true || method.mode === "async"
        ? start
        : (request: unknown, options: RunCallOptions = {}) =>
            plainCall(definition, name, method, request, settings, options, context);
    if (method.mode === "sync") continue;
    operations[name] = (request: unknown, options: RunCallOptions = {}) => {
      const answer = start(request, options);
      return { wait: () => answer };
    };
  }
  if (!("async" in client)) client.async = operations;
  return client as unknown as RunClient<Definition>;
}

/** Made by this instance; a crash before its answer is recorded makes it again. */
function plainCall(
  definition: ServiceDefinition,
  name: string,
  method: AnyMethodDefinition,
  request: unknown,
  settings: RunClientOptions,
  { deadlineMs }: RunCallOptions,
  { facts, machine, calls, made }: CallContext,
): Promise<unknown> {
  const asked = askedFor(EntryKind.STEP, method, requestBytes(method, request));
  const make = async (index: number) => {
    const beganAtMs = made(asked, {})(index).beganAtMs;
    const metadata = { [RUN_HEADER]: `${facts.run}/${index}` };
    const work = ({ signal }: { signal: AbortSignal }) =>
      calls(definition, name, request, settings, {
        signal,
        metadata,
        ...(deadlineMs !== undefined && { deadlineMs }),
      });
    const call = { signal: machine.signal, idempotencyKey: `${facts.run}/${index}` };
    const end = await runStep(asked.name, work, {}, call);
    return makeEntry({ index, ...asked, digest: Buffer.from(asked.digest), ...end, beganAtMs });
  };
  return machine.step(asked, make, ({ value }) => decodeValue(value));
}

/** Made by orders, which wakes the run with its answer. */
function startOperation(
  definition: ServiceDefinition,
  method: AnyMethodDefinition,
  request: unknown,
  { version = "", deadlineMs = 0, key = "" }: RunClientOptions & RunCallOptions,
  { machine, made }: CallContext,
): Promise<unknown> {
  const bytes = requestBytes(method, request);
  const asked = askedFor(EntryKind.CALL, method, bytes);
  const call = { service: definition.name, version, method: method.name, request: bytes, key, deadlineMs };
  const make = made(asked, { digest: Buffer.from(asked.digest), call });
  return machine.remote(asked, make, ({ value }) => method.decodeResponse(value));
}

function askedFor(kind: EntryKind, method: AnyMethodDefinition, request: Uint8Array) {
  const digest = createHash("sha256").update(request).digest().subarray(0, DIGEST_BYTES);
  return { kind, name: method.path.slice(1), digest };
}

function requestBytes(method: AnyMethodDefinition, request: unknown): Buffer {
  const bytes = (method.encodeRequest as (message: unknown) => Uint8Array)(request);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

type AnyClient = Readonly<Record<string, (request: unknown, options: ClientCallOptions) => Promise<unknown>>>;
const clients = new Map<string, AnyClient>();

/** Calls through the mesh; clients are kept, since runs come and go. */
export const meshCalls: Calls = (definition, method, request, settings, call) => {
  const id = JSON.stringify([definition.name, definition.version, settings.version, settings.target]);
  let client = clients.get(id);
  if (client === undefined) {
    client = createClient(definition, settings) as unknown as AnyClient;
    clients.set(id, client);
  }
  const send = client[method] as AnyClient[string];
  return send(request, call);
};
