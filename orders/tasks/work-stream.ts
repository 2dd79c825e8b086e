import { randomUUID } from "node:crypto";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type {
  WorkRequest,
  WorkRequest_Held,
  WorkRequest_Hello,
  WorkResponse,
} from "#proto/rouse/orders/v1/tasks.ts";
import { statusObject } from "../../sdk/answer.ts";
import { recordOf } from "../../sdk/error-record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { checkSize } from "../../sdk/tasks/size.ts";
import type { Changes } from "../database/changes.ts";
import { isId } from "../id.ts";
import { unknownTask, workerEnded } from "./errors.ts";
import type { Reports } from "./reports.ts";
import { sleepMs, subtaskOrders, workerOrder } from "./settings.ts";
import { TASK_WORKERS_CHANGED } from "./tables.ts";
import { cleanError, cleanText } from "./text.ts";
import type { WorkerStore, WorkReport } from "./workers.ts";

export type WorkCall = ServerDuplexStream<WorkRequest, WorkResponse>;

export interface WorkDeps {
  readonly workers: WorkerStore;
  readonly reports: Reports;
  readonly changes: Changes;
  readonly log: Logger;
}

/** Heartbeats within a lease. */
const BEATS = 4;
/** Pause before it is asked again what a worker has, while the database is away, ms. */
const AWAY_MS = 500;

/**
 * One stream that speaks for a worker. What the worker has is in the database; the stream tells it the difference to what it was
 * told last, whenever that may have changed.
 */
export class WorkStream {
  readonly #call: WorkCall;
  readonly #deps: WorkDeps;
  readonly #worker: string;
  readonly #session = randomUUID();
  /** Assignment by task, as the worker knows it. */
  readonly #told = new Map<string, number>();
  #telling = false;
  #again = false;
  #over = false;
  #unlisten: () => void = () => undefined;

  constructor(call: WorkCall, hello: WorkRequest_Hello, deps: WorkDeps) {
    this.#call = call;
    this.#deps = deps;
    this.#worker = hello.worker;
  }

  /** @throws RouseError INVALID_ARGUMENT TASK_WORKER_INVALID; ABORTED TASK_WORKER_ENDED. */
  async begin(hello: WorkRequest_Hello): Promise<void> {
    const order = workerOrder({ ...hello, worker: cleanText(hello.worker), name: cleanText(hello.name) });
    await this.#deps.workers.hello(order, this.#session);
    for (const held of hello.holding.filter(canBe)) this.#told.set(held.task, held.assignment);
    const { leaseMs } = order;
    this.#send({ $case: "welcome", value: { leaseMs, heartbeatMs: Math.round(leaseMs / BEATS) } });
    this.#unlisten = this.#deps.changes.listen(TASK_WORKERS_CHANGED, (worker) => {
      if (worker === undefined || worker === this.#worker) void this.#tell();
    });
    void this.#tell();
  }

  /** The stream is gone; the lease goes on until it ends. */
  close(): void {
    this.#over = true;
    this.#unlisten();
  }

  /** Ends the stream with an error; the worker comes again. */
  fail(thrown: unknown): void {
    this.#deps.log.warn({ err: thrown, worker: this.#worker }, "the stream of a worker ends");
    this.#end(thrown);
  }

  async hear({ what }: WorkRequest): Promise<void> {
    if (what === undefined) return;
    switch (what.$case) {
      case "hello":
        return this.#end(
          new RouseError("INVALID_ARGUMENT", "A worker says hello once, and first.", {
            reason: "TASK_WORKER_INVALID",
          }),
        );
      case "heartbeat":
        return this.#heartbeat();
      case "leave":
        await this.#deps.workers.leave(this.#worker, what.value.now);
        if (what.value.now) this.#call.end();
        return;
      case "progress": {
        const { held, progress } = what.value;
        const { fraction = 0, note = "" } = progress ?? {};
        if (held !== undefined && canBe(held) && fraction >= 0 && fraction <= 1)
          await this.#deps.workers.progress(
            { ...held, worker: this.#worker },
            fraction,
            cleanText(note).slice(0, 500),
          );
        return;
      }
      default:
        return this.#report(what.value.held, what);
    }
  }

  async #report(held: WorkRequest_Held | undefined, what: Parameters<typeof reportOf>[2]): Promise<void> {
    if (held === undefined) return;
    const { task, assignment } = held;
    let report: WorkReport;
    try {
      report = reportOf(this.#worker, held, what);
    } catch (thrown) {
      const error = recordOf(RouseError.from(thrown));
      this.#send({ $case: "refused", value: { task, assignment, error, holds: true } });
      return;
    }
    const outcome = await this.#deps.reports.add(report);
    if (report.kind !== "begin" && this.#told.get(task) === assignment) this.#told.delete(task);
    if (outcome.accepted) {
      if (report.kind !== "begin") this.#send({ $case: "accepted", value: { task, assignment } });
      return;
    }
    this.#told.delete(task);
    const error = recordOf(outcome.error);
    this.#send({ $case: "refused", value: { task, assignment, error, holds: false } });
  }

  async #heartbeat(): Promise<void> {
    if (!(await this.#deps.workers.heartbeat(this.#worker, this.#session))) this.#ended();
  }

  #ended(): void {
    this.#send({
      $case: "ended",
      value: { error: recordOf(workerEnded(this.#worker)) },
    });
    this.#call.end();
    this.close();
  }

  /** Tells the worker what it has and does not know, and what it does not have any more. */
  async #tell(): Promise<void> {
    this.#again = true;
    if (this.#telling) return;
    this.#telling = true;
    while (this.#again && !this.#over) {
      this.#again = false;
      try {
        await this.#difference();
      } catch (err) {
        this.#deps.log.warn({ err, worker: this.#worker }, "a worker waits for word of its tasks");
        this.#again = true;
        await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
      }
    }
    this.#telling = false;
  }

  async #difference(): Promise<void> {
    const { workers } = this.#deps;
    const before = new Map(this.#told);
    const given = await workers.given(this.#worker, [...before.keys()]);
    const has = new Map(given.map(({ id, assignment }) => [id, assignment]));
    for (const [task, assignment] of before) {
      if (has.get(task) === assignment || this.#told.get(task) !== assignment) continue;
      this.#told.delete(task);
      const error = await workers.whyGone(this.#worker, task, assignment);
      if (error === undefined) continue;
      this.#send({
        $case: "revoked",
        value: { task, assignment, error: recordOf(error) },
      });
    }
    for (const { id, kept, ...task } of given) {
      if (this.#told.get(id) === task.assignment) continue;
      // It was known under an older number, so that its payload was not read.
      if (before.has(id)) {
        this.#again = true;
        continue;
      }
      this.#told.set(id, task.assignment);
      this.#send({ $case: "assignment", value: { task: id, keep: kept, ...task } });
    }
  }

  #send(what: NonNullable<WorkResponse["what"]>): void {
    if (!this.#over) this.#call.write({ what });
  }

  #end(thrown: unknown): void {
    if (!this.#over) this.#call.emit("error", statusObject(thrown));
    this.close();
  }
}

function canBe({ task, assignment }: WorkRequest_Held): boolean {
  return isId(task) && assignment < 2 ** 31;
}

type Said = Extract<
  NonNullable<WorkRequest["what"]>,
  { readonly $case: "begun" | "done" | "failed" | "split" | "sleep" | "released" }
>;

/** @throws RouseError INVALID_ARGUMENT TASK_INVALID; RESOURCE_EXHAUSTED TASK_TOO_LARGE; NOT_FOUND TASK_UNKNOWN. */
function reportOf(worker: string, { task, assignment }: WorkRequest_Held, said: Said): WorkReport {
  if (!canBe({ task, assignment })) throw unknownTask(task);
  const of = { task, worker, assignment };
  switch (said.$case) {
    case "begun":
      return { ...of, kind: "begin" };
    case "released":
      return { ...of, kind: "release" };
    case "done":
      checkSize("result", said.value.result);
      return { ...of, kind: "finish", result: Buffer.from(said.value.result) };
    case "failed":
      return { ...of, kind: "fail", error: cleanError(said.value.error) };
    case "split": {
      const { subtasks, keep } = said.value;
      checkSize("kept state", keep);
      return { ...of, kind: "split", subtasks: subtaskOrders(subtasks), kept: Buffer.from(keep) };
    }
    case "sleep": {
      const { forMs, keep } = said.value;
      checkSize("kept state", keep);
      return { ...of, kind: "sleep", forMs: sleepMs(forMs), kept: Buffer.from(keep) };
    }
  }
}
