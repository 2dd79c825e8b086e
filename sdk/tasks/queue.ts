import type { AnyMethodDefinition, RequestOf, ResponseOf } from "../definition.ts";
import { checkSize } from "./size.ts";

/** A queue with the form of what its tasks bring and answer. */
export interface TaskQueue<Payload, Result> {
  readonly name: string;
  readonly encodePayload: (payload: Payload) => Buffer;
  readonly decodePayload: (bytes: Uint8Array) => Payload;
  readonly encodeResult: (result: Result) => Buffer;
  readonly decodeResult: (bytes: Uint8Array) => Result;
}

/** What is needed to read a queue's results. */
export type TaskAnswers<Result> = Pick<TaskQueue<never, Result>, "decodeResult">;

/**
 * A queue by the name of a contract's method, such as `taskQueue(AlignServiceDefinition.methods.align)`: its tasks bring the
 * method's requests and answer its responses. Or by any name, whose payloads and results are JSON.
 */
export function taskQueue<Method extends AnyMethodDefinition>(
  method: Method,
): TaskQueue<RequestOf<Method>, ResponseOf<Method>>;
export function taskQueue<Payload, Result>(name: string): TaskQueue<Payload, Result>;
export function taskQueue(of: AnyMethodDefinition | string): TaskQueue<unknown, unknown> {
  if (typeof of === "string") {
    return {
      name: of,
      encodePayload: toJson,
      decodePayload: fromJson,
      encodeResult: toJson,
      decodeResult: fromJson,
    };
  }
  const encodeRequest = of.encodeRequest as (message: unknown) => Uint8Array;
  const encodeResponse = of.encodeResponse as (message: unknown) => Uint8Array;
  return {
    name: of.path.slice(1),
    encodePayload: (payload) => Buffer.from(encodeRequest(payload)),
    decodePayload: of.decodeRequest,
    encodeResult: (result) => Buffer.from(encodeResponse(result)),
    decodeResult: of.decodeResponse,
  };
}

/** JSON; nothing at all for undefined. */
export function toJson(value: unknown): Buffer {
  return value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value));
}

export function fromJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as unknown);
}

/** Settings of a new task. */
export interface TaskSettings {
  /** Tasks of a higher one are given out first; -1000 to 1000. Default 0. */
  readonly priority?: number;
  /** How often it is tried again after its handler has failed, with growing pauses; at most 100. Default 0. */
  readonly retries?: number;
  /** It fails when so many workers were lost with it, 1 to 1000. Default 5. */
  readonly mostLosses?: number;
  /** How long it is kept after the end, ms: 1 minute to 90 days. Default 7 days. */
  readonly keepMs?: number;
}

/** A task that is not submitted yet, as its parent gives it. */
export interface NewSubtask {
  readonly queue: string;
  readonly payload: Buffer;
  readonly priority: number;
  readonly retries: number;
  readonly mostLosses: number;
  readonly keepMs: number;
}

/** A subtask for `task.split`. @throws RouseError RESOURCE_EXHAUSTED TASK_TOO_LARGE. */
export function subtask<Payload>(
  queue: Pick<TaskQueue<Payload, never>, "name" | "encodePayload">,
  payload: Payload,
  { priority = 0, retries = 0, mostLosses = 0, keepMs = 0 }: TaskSettings = {},
): NewSubtask {
  const bytes = queue.encodePayload(payload);
  checkSize("payload", bytes);
  return { queue: queue.name, payload: bytes, priority, retries, mostLosses, keepMs };
}
