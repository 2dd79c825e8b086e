import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { WorkRequest, WorkResponse, WorkResponse_Assignment } from "#proto/rouse/orders/v1/tasks.ts";
import type { SharedChannel } from "../client/channel.ts";
import { pause } from "../client/retry.ts";
import { errorOf } from "../error-record.ts";
import { RouseError } from "../errors.ts";
import { callError } from "../grpc.ts";
import { atStop } from "../server/at-stop.ts";
import { endsTasks, worksOnTasks } from "./busy.ts";
import { channelOf, clientOf, type TaskTarget } from "./client.ts";
import type { TaskQueue } from "./queue.ts";
import { checkSize } from "./size.ts";
import { Suspension, type WorkingTask, workingTask } from "./working.ts";

const GRACE_MS = 10_000;
/** Pauses before a stream that broke is taken up again, ms: the first, doubling, the longest. */
const RETRY = { firstMs: 50, longestMs: 2_000 } as const;
/** Statuses with which orders refuse a worker for good. */
const FOR_GOOD: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED"]);

export interface WorkerOptions<Payload, Result> extends TaskTarget {
  /** How many tasks it takes at one time, 1 to 10,000. Default 1. */
  readonly room?: number;
  /** Its tasks are given to others so long after its last heartbeat, ms: 1,000 to 600,000. Default 15,000. */
  readonly leaseMs?: number;
  /** For people. Default: the host's name. */
  readonly name?: string;
  /**
   * Does a task: what it returns is the result, what it throws fails the task. It returns `task.split(…)` or `task.sleep(…)` to
   * go on later. It may be called again for the same task after a crash, so what it does outside has to bear that.
   */
  readonly handle: (
    payload: Payload,
    task: WorkingTask,
  ) => Promise<Result | Suspension> | Result | Suspension;
  /** Told when what a handler did is not used, and why: the task was cancelled, or its lease has ended. Default: a line on stderr. */
  readonly onLost?: (error: RouseError, task: string) => void;
}

/** A worker that takes tasks until it is closed. */
export interface TaskWorker {
  /** Another one after a lease has ended. */
  readonly id: string;
  /** Rejects when orders refuse the worker for good; resolves when it was closed. */
  readonly closed: Promise<void>;
  /**
   * Takes no more tasks, gives what runs so much time (ms, default 10,000), and gives the rest back. In a process with a server that
   * stops on signals this is done by itself.
   */
  close(graceMs?: number): Promise<void>;
}

/** Takes tasks of a queue, as many at one time as there is room for. Orders that are away are waited for. */
export function taskWorker<Payload, Result>(
  queue: TaskQueue<Payload, Result>,
  options: WorkerOptions<Payload, Result>,
): TaskWorker {
  return new Worker(queue, options);
}

type Stream = ClientDuplexStream<WorkRequest, WorkResponse>;
type What = NonNullable<WorkRequest["what"]>;

interface Running {
  readonly assignment: number;
  readonly stop: AbortController;
}

interface Said {
  readonly task: string;
  readonly assignment: number;
  readonly what: What;
}

class Worker<Payload, Result> implements TaskWorker {
  id = randomUUID() as string;
  readonly closed: Promise<void>;
  readonly #queue: TaskQueue<Payload, Result>;
  readonly #options: WorkerOptions<Payload, Result>;
  readonly #channel: SharedChannel;
  readonly #running = new Map<string, Running>();
  /** How tasks ended, until orders have noted it down: said again by the next stream. By task and assignment. */
  readonly #said = new Map<string, Said>();
  readonly #closing = new AbortController();
  #welcomed = false;
  #stream: Stream | undefined;
  #idle: () => void = () => undefined;
  readonly #count = () => this.#running.size + this.#said.size;

  constructor(queue: TaskQueue<Payload, Result>, options: WorkerOptions<Payload, Result>) {
    this.#queue = queue;
    this.#options = options;
    this.#channel = channelOf(options.target);
    // Its tasks go to others at once when the instance is stopped, and not with the end of its lease.
    const stays = atStop((graceMs) => this.close(graceMs));
    this.closed = this.#run().finally(() => {
      stays();
      endsTasks(this.#count);
      this.#channel.release();
    });
    // Who does not look at it is told by the handlers' silence alone; they may still.
    this.closed.catch(() => undefined);
  }

  async close(graceMs = GRACE_MS): Promise<void> {
    this.#say({ $case: "leave", value: { now: false } });
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    if (!this.#busy()) this.#idle();
    const timer = setTimeout(this.#idle, graceMs);
    await idle;
    clearTimeout(timer);
    for (const { stop } of this.#running.values()) stop.abort(CLOSED);
    this.#running.clear();
    this.#say({ $case: "leave", value: { now: true } });
    this.#closing.abort();
    await this.closed;
  }

  #busy(): boolean {
    return this.#count() > 0;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let pauseMs: number = RETRY.firstMs; !signal.aborted; ) {
      const error = await this.#serve();
      if (signal.aborted) return;
      if (error !== undefined && FOR_GOOD.has(error.status)) {
        this.#lose(error);
        throw error;
      }
      if (error?.reason === "TASK_WORKER_ENDED") this.#lose(error);
      pauseMs = this.#welcomed ? RETRY.firstMs : Math.min(2 * pauseMs, RETRY.longestMs);
      await pause(pauseMs, signal).catch(() => undefined);
    }
  }

  /** One stream, from its hello to its end. @returns the error with which it ended. */
  async #serve(): Promise<RouseError | undefined> {
    const stream = clientOf(this.#channel).work();
    const end = Promise.withResolvers<RouseError | undefined>();
    let beats: NodeJS.Timeout | undefined;
    const closing = () => {
      // The last words are on their way; whoever does not answer is not waited for.
      stream.end();
      setTimeout(() => stream.cancel(), GRACE_MS).unref();
    };
    stream.on("data", ({ what }: WorkResponse) => {
      if (what?.$case === "welcome") {
        beats = setInterval(() => stream.write({ what: HEARTBEAT }), what.value.heartbeatMs);
        this.#begin(stream);
      } else if (what?.$case === "ended" && what.value.error !== undefined) {
        end.resolve(errorOf(what.value.error));
      } else if (what !== undefined) this.#hear(what);
    });
    stream.on("error", (error: Error) => end.resolve(callError(error)));
    stream.on("end", () => end.resolve(undefined));
    stream.write({ what: this.#hello() });
    if (this.#closing.signal.aborted) closing();
    else this.#closing.signal.addEventListener("abort", closing, { once: true });
    try {
      return await end.promise;
    } finally {
      this.#closing.signal.removeEventListener("abort", closing);
      clearInterval(beats);
      this.#stream = undefined;
      stream.cancel();
    }
  }

  #hello(): What {
    const { room = 1, leaseMs = 0, name = hostname() } = this.#options;
    const running = [...this.#running].map(([task, { assignment }]) => ({ task, assignment }));
    const said = [...this.#said.values()].map(({ task, assignment }) => ({ task, assignment }));
    return {
      $case: "hello",
      value: {
        worker: this.id,
        queue: this.#queue.name,
        room,
        leaseMs,
        name,
        resumes: this.#welcomed,
        holding: [...running, ...said],
      },
    };
  }

  /** Orders listen: what they may not have heard is said again. */
  #begin(stream: Stream): void {
    this.#welcomed = true;
    this.#stream = stream;
    for (const [task, { assignment }] of this.#running)
      this.#say({ $case: "begun", value: { held: { task, assignment } } });
    for (const { what } of this.#said.values()) this.#say(what);
  }

  #hear(what: NonNullable<WorkResponse["what"]>): void {
    switch (what.$case) {
      case "assignment":
        void this.#work(what.value);
        return;
      case "accepted":
        this.#heard(what.value.task, what.value.assignment);
        return;
      case "refused": {
        const { task, assignment, error, holds } = what.value;
        const said = this.#said.get(keyOf(task, assignment));
        this.#heard(task, assignment);
        if (error === undefined) return;
        // It is the answer that is no good: that is how the task fails.
        if (holds && said !== undefined)
          this.#answer(task, assignment, failed(task, assignment, errorOf(error)));
        else this.#drop(task, assignment, errorOf(error));
        return;
      }
      case "revoked": {
        const { task, assignment, error } = what.value;
        if (error !== undefined) this.#drop(task, assignment, errorOf(error));
        return;
      }
      default:
        return;
    }
  }

  async #work(given: WorkResponse_Assignment): Promise<void> {
    const { task, assignment } = given;
    const known = this.#running.get(task);
    if (known?.assignment === assignment || this.#said.has(keyOf(task, assignment))) return;
    known?.stop.abort(CLOSED);
    const stop = new AbortController();
    this.#running.set(task, { assignment, stop });
    worksOnTasks(this.#count);
    this.#say({ $case: "begun", value: { held: { task, assignment } } });
    const working = workingTask(given, stop.signal, this.#channel, (what) => {
      if (!stop.signal.aborted) this.#say(what);
    });
    let what: What;
    try {
      const answer = await this.#options.handle(this.#queue.decodePayload(given.payload), working);
      const held = { task, assignment };
      what = answer instanceof Suspension ? answer.said(held) : this.#done(held, answer);
    } catch (thrown) {
      what = failed(task, assignment, RouseError.from(thrown));
    }
    if (stop.signal.aborted) return;
    this.#running.delete(task);
    this.#answer(task, assignment, what);
  }

  #done(held: { task: string; assignment: number }, answer: Result): What {
    const result = this.#queue.encodeResult(answer);
    checkSize("result", result);
    return { $case: "done", value: { held, result } };
  }

  #answer(task: string, assignment: number, what: What): void {
    this.#said.set(keyOf(task, assignment), { task, assignment, what });
    this.#say(what);
  }

  #heard(task: string, assignment: number): void {
    this.#said.delete(keyOf(task, assignment));
    if (!this.#busy()) this.#idle();
  }

  /** The worker does not have a task any more. */
  #drop(task: string, assignment: number, error: RouseError): void {
    const running = this.#running.get(task);
    if (running?.assignment === assignment) {
      this.#running.delete(task);
      running.stop.abort(error);
    }
    this.#heard(task, assignment);
    const { onLost = tellStderr } = this.#options;
    onLost(error, task);
  }

  /** The lease has ended: others have the tasks, and this one comes again under another name. */
  #lose(error: RouseError): void {
    this.id = randomUUID();
    this.#welcomed = false;
    for (const [task, { assignment }] of [...this.#running]) this.#drop(task, assignment, error);
    for (const { task, assignment } of [...this.#said.values()]) this.#drop(task, assignment, error);
  }

  #say(what: What): void {
    this.#stream?.write({ what });
  }
}

const HEARTBEAT: What = { $case: "heartbeat", value: {} };
const CLOSED = new RouseError("CANCELLED", "The worker closes; the task is given to another.");

function keyOf(task: string, assignment: number): string {
  return `${task} ${assignment}`;
}

function failed(task: string, assignment: number, { code, message, reason, metadata }: RouseError): What {
  return {
    $case: "failed",
    value: { held: { task, assignment }, error: { code, message, reason, metadata } },
  };
}

function tellStderr(error: RouseError, task: string): void {
  console.error(`task ${task}: ${error.message}`);
}
