import { Metadata } from "@grpc/grpc-js";
import type { ChildCall } from "#proto/rouse/orders/v1/durable.ts";
import { defaultTarget } from "../client/attempt.ts";
import { shareChannel } from "../client/channel.ts";
import { recordOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import { callError } from "../grpc.ts";
import { meshCalls } from "./calls.ts";
import { runContext } from "./context.ts";
import { type Entry, EntryKind } from "./entry.ts";
import { keepIn, MemoryJournal, whatIsKept } from "./journal.ts";
import { type Keeper, Machine } from "./machine.ts";
import type { DurableFunction } from "./types.ts";

/** Longest time of a Node timer, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const MOST_BYTES = 64 * 2 ** 20;
/** What runs of a key have kept, by service and key: for as long as the process lives. */
const keptOf = new Map<string, Map<string, Buffer>>();

export interface LocalRun<State> {
  readonly service: string;
  readonly run: string;
  readonly key: string;
  readonly caller: string;
  readonly state: State;
  readonly signal: AbortSignal;
}

/**
 * Runs a durable function where there is no mesh, by hand or in a test: its journal is in memory, and goes with the process.
 *
 * @throws What the function throws.
 */
export async function runLocally<State>(
  work: DurableFunction<unknown, unknown, State>,
  request: unknown,
  { service, run, key, caller, state, signal }: LocalRun<State>,
): Promise<unknown> {
  const journal = new MemoryJournal();
  const place = `${service} ${key}`;
  const kept = keptOf.get(place) ?? new Map<string, Buffer>();
  keptOf.set(place, kept);
  const timers = new Set<NodeJS.Timeout>();
  const complete = (index: number, end: Partial<Pick<Entry, "value" | "error">>) => {
    const entry = journal.complete(index, end);
    if (entry !== undefined) machine.completed(entry);
  };
  const wait = ({ index, untilMs }: Entry) => {
    const leftMs = untilMs - Date.now();
    const ring = () => {
      timers.delete(timer);
      if (leftMs > LONGEST_TIMER_MS) wait({ index, untilMs } as Entry);
      else complete(index, {});
    };
    const timer = setTimeout(ring, Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS));
    timers.add(timer);
  };
  const keeper: Keeper = {
    send(entry) {
      journal.commit(entry);
      if (entry.kind === EntryKind.KEEP) keepIn(kept, entry);
      if (entry.kind === EntryKind.KEPT) setImmediate(() => complete(entry.index, whatIsKept(kept, entry)));
      else if (entry.done) setImmediate(() => machine.committed([entry.index]));
      else if (entry.kind === EntryKind.SLEEP) wait(entry);
      else if (entry.call !== undefined) {
        callPlainly(entry.call, signal).then(
          (value) => complete(entry.index, { value }),
          (thrown: unknown) => complete(entry.index, { error: recordOf(RouseError.from(thrown)) }),
        );
      } else complete(entry.index, { error: recordOf(nobody(entry.name)) });
    },
    waiting: () => undefined,
  };
  const machine = new Machine([], keeper);
  const cancel = () => machine.cancel(RouseError.from(signal.reason));
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    const context = runContext({
      facts: { run, key, caller },
      state,
      machine,
      calls: meshCalls,
      clock: Date.now,
      progress: () => undefined,
    });
    const outcome = await machine.run(async () => work(request, context));
    if ("error" in outcome) throw outcome.error;
    return outcome.response;
  } finally {
    signal.removeEventListener("abort", cancel);
    for (const timer of timers) clearTimeout(timer);
  }
}

function callPlainly({ service, method, version, request }: ChildCall, signal: AbortSignal): Promise<Buffer> {
  const channel = shareChannel(defaultTarget({}), MOST_BYTES);
  const metadata = new Metadata();
  if (version !== "") metadata.set("rouse-version", version);
  const asItIs = (bytes: Buffer) => bytes;
  return new Promise<Buffer>((resolve, reject) => {
    const path = `/${service}/${method}`;
    const answered = (error: Error | null, response?: Buffer) => {
      signal.removeEventListener("abort", cancel);
      if (error === null) resolve(response ?? Buffer.alloc(0));
      else reject(callError(error));
    };
    const call = channel.grpc.makeUnaryRequest(path, asItIs, asItIs, request, metadata, answered);
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
  }).finally(() => channel.release());
}

function nobody(name: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The run waits for the answer ${JSON.stringify(name)}, and there is no mesh here by which somebody could give it. Register the service, or try the function by replay() of rouse/testing.`,
    { reason: "RUN_WITHOUT_MESH" },
  );
}
