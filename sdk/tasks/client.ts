import { randomUUID } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import { type Task, TasksClient } from "#proto/rouse/orders/v1/tasks.ts";
import { defaultTarget } from "../client/attempt.ts";
import { type SharedChannel, shareChannel } from "../client/channel.ts";
import { isAway, pause } from "../client/retry.ts";
import { RouseError } from "../errors.ts";
import { callError, unary } from "../grpc.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import { subtask, type TaskAnswers, type TaskQueue, type TaskSettings } from "./queue.ts";
import { isOver, type TaskView, viewOf } from "./view.ts";

/** Orders may have to start their database at first, ms. */
const START_MS = 90_000;
/** Pause while orders are away, ms. */
const AWAY_MS = 300;
/** How often a call is made again while orders are away. */
const AWAY_TRIES = 100;
export const MOST_BYTES = 64 * 2 ** 20;

/** Where orders are reached. */
export interface TaskTarget {
  /** "host:port" or "unix:/path" of the mesh's listener for services. Default: ROUSE_MESH. */
  readonly target?: string;
}

export interface SubmitOptions extends TaskSettings, TaskTarget {
  /** The same key gives the same task, however often and from wherever it is submitted. Default: a new one. */
  readonly idempotencyKey?: string;
}

/** A task: its id is all that one needs to ask for it again. Errors are {@link RouseError}s. */
export interface TaskHandle<Result> {
  readonly id: string;
  get(): Promise<TaskView<Result>>;
  /** As it is, then as it is after changes, until it has ended. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterable<TaskView<Result>>;
  /**
   * The result, which stays to be collected.
   *
   * @throws RouseError the task's own; DEADLINE_EXCEEDED TASK_NOT_ENDED after `timeoutMs` (default: none).
   */
  result(options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<Result>;
  /**
   * The result, taken over: only one collector gets it, however many ask.
   *
   * @param options.collector Who asks, the same at each try. Default: this handle.
   * @throws RouseError as result; ABORTED TASK_COLLECTED; FAILED_PRECONDITION TASK_OF_PARENT.
   */
  collect(options?: { readonly collector?: string; readonly signal?: AbortSignal }): Promise<Result>;
  /**
   * Ends it and its subtasks, if they have not ended.
   *
   * @param options.revision Only if it is still of this one: otherwise ABORTED TASK_CHANGED says what has changed.
   */
  cancel(reason?: string, options?: { readonly revision?: number }): Promise<void>;
  /** Wakes it from its sleep before its time. */
  wake(options?: { readonly revision?: number }): Promise<void>;
}

/**
 * Puts a task into a queue.
 *
 * @throws RouseError INVALID_ARGUMENT TASK_INVALID; RESOURCE_EXHAUSTED TASK_TOO_LARGE; ALREADY_EXISTS TASK_KEY_REUSED.
 */
export async function submitTask<Payload, Result>(
  queue: TaskQueue<Payload, Result>,
  payload: Payload,
  { idempotencyKey = randomUUID(), target, ...settings }: SubmitOptions = {},
): Promise<TaskHandle<Result>> {
  const channel = channelOf(target);
  const request = { task: subtask(queue, payload, settings), idempotencyKey };
  // The key makes it the same task, however often it is said.
  const { id } = await again(() =>
    unary(clientOf(channel), "submitTask", request, { deadlineMs: START_MS, metadata: callerMetadata() }),
  );
  return handle(queue, id, channel);
}

/** A task that was submitted elsewhere or earlier. */
export function task<Result>(
  queue: TaskAnswers<Result>,
  id: string,
  { target }: TaskTarget = {},
): TaskHandle<Result> {
  return handle(queue, id, channelOf(target));
}

function handle<Result>(queue: TaskAnswers<Result>, id: string, channel: SharedChannel): TaskHandle<Result> {
  const own = randomUUID();
  const get = async () => viewOf(queue, await again(() => unary(clientOf(channel), "getTask", { id })));
  async function* follow(
    endOnly: boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TaskView<Result>> {
    let last: Task | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const stream = clientOf(channel).watchTask({ id, endOnly });
      const cancel = () => stream.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      try {
        for await (const found of stream as AsyncIterable<Task>) {
          const view = viewOf(queue, found);
          if (last === undefined || differs(last, found)) yield view;
          last = found;
          if (isOver(view)) return;
        }
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = callError(thrown);
        if (!isAway(error)) throw error;
      } finally {
        signal?.removeEventListener("abort", cancel);
        stream.cancel();
      }
      await pause(AWAY_MS, signal);
    }
  }
  const ended = async (
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<TaskView<Result>> => {
    const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [late, signal].filter((each) => each !== undefined);
    try {
      for await (const view of follow(true, AbortSignal.any(signals))) if (isOver(view)) return view;
    } catch (thrown) {
      if (late?.aborted && !signal?.aborted) throw notEnded(id, timeoutMs);
      throw thrown;
    }
    return get();
  };
  const outcome = (view: TaskView<Result>): Result => {
    if (view.error !== undefined) throw view.error;
    return view.result as Result;
  };
  return {
    id,
    get,
    watch: ({ signal } = {}) => follow(false, signal),
    result: async ({ timeoutMs, signal } = {}) => outcome(await ended(timeoutMs, signal)),
    async collect({ collector = own, signal } = {}) {
      await ended(undefined, signal);
      return outcome(
        viewOf(queue, await again(() => unary(clientOf(channel), "collectTask", { id, collector }))),
      );
    },
    async cancel(reason = "", { revision = 0 } = {}) {
      await again(() => unary(clientOf(channel), "cancelTask", { id, reason, revision }));
    },
    async wake({ revision = 0 } = {}) {
      await unary(clientOf(channel), "wakeTask", { id, revision });
    },
  };
}

/** Progress is told without a new revision. */
function differs(a: Task, b: Task): boolean {
  return (
    a.revision !== b.revision ||
    a.progress?.fraction !== b.progress?.fraction ||
    a.progress?.note !== b.progress?.note
  );
}

/** For what does no harm twice: orders that are away come back, and nothing is lost. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (thrown) {
      const error = RouseError.from(thrown);
      if (!isAway(error) || tries >= AWAY_TRIES) throw error;
      await pause(AWAY_MS, undefined);
    }
  }
}

function notEnded(id: string, timeoutMs: number | undefined): RouseError {
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `Task ${id} has not ended within ${timeoutMs} ms; it goes on. Wait again, or cancel it.`,
    { reason: "TASK_NOT_ENDED", metadata: { task: id } },
  );
}

function callerMetadata(): Metadata {
  const metadata = new Metadata();
  if (process.env.ROUSE_SERVICE) metadata.set(CALLER_HEADER, process.env.ROUSE_SERVICE);
  return metadata;
}

export function channelOf(target: string | undefined): SharedChannel {
  return shareChannel(defaultTarget(target === undefined ? {} : { target }), MOST_BYTES);
}

const clients = new WeakMap<SharedChannel["grpc"], TasksClient>();

/** The API's client on a connection that others share. */
export function clientOf({ grpc }: SharedChannel): TasksClient {
  let client = clients.get(grpc);
  if (client === undefined) {
    client = new TasksClient("", undefined as never, { channelOverride: grpc.getChannel() });
    clients.set(grpc, client);
  }
  return client;
}
