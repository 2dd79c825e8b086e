import { recordOf } from "../../sdk/error-record.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { TaskChange, TaskNode } from "./ledger.ts";
import type { TaskError, TaskReport } from "./machine.ts";

/** A line of the history with its time. */
export interface PastChange extends TaskChange {
  readonly at: Date;
}

/** NOT_FOUND for a task that is not there (any more). */
export function unknownTask(id: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no task ${JSON.stringify(id.slice(0, 60))}: it never was, or its time is over. "rouse tasks" lists those there are.`,
    { reason: "TASK_UNKNOWN" },
  );
}

/**
 * What a worker is told of a report on a task that it does not have, or not any more.
 *
 * @param changes The task's history, the oldest first.
 * @returns undefined when the report was noted down before: it is told the same as then.
 */
export function lateReport(
  id: string,
  changes: readonly PastChange[],
  { kind, worker, assignment }: Pick<TaskReport, "kind" | "worker" | "assignment">,
): RouseError | undefined {
  const own = changes.filter((change) => change.assignment === assignment);
  const given = own.find((change) => change.kind === "assign");
  if (given?.by !== worker) {
    return new RouseError(
      "FAILED_PRECONDITION",
      `Task ${id} was not given to worker ${worker} as its assignment ${assignment}; nothing is changed.`,
      { reason: "TASK_NOT_HELD", metadata: { task: id } },
    );
  }
  const end = own.find((change) => ENDS.has(change.kind));
  // It began, and whatever followed was said by itself or comes as an answer to what it says next.
  if (kind === "begin" && (end === undefined || REPORTS.has(end.kind))) return undefined;
  if (end?.kind === kind) return undefined;
  const metadata = { task: id, worker };
  if (end?.kind === "lose") {
    const next = changes.find((change) => change.kind === "assign" && change.assignment > assignment);
    const then =
      next !== undefined
        ? `it was given to worker ${next.by} at ${next.at.toISOString()}`
        : end.state === "failed"
          ? "it has failed, as too many workers were lost with it"
          : "it waits for another worker";
    return new RouseError(
      "ABORTED",
      `The lease of worker ${worker} on task ${id} ended at ${end.at.toISOString()}, as its heartbeat stayed away; ${then}. What comes from the former worker is not used.`,
      { reason: "TASK_LEASE_ENDED", metadata },
    );
  }
  if (end?.kind === "cancel") {
    return new RouseError(
      "CANCELLED",
      `Task ${id} was cancelled at ${end.at.toISOString()}: ${end.note} What its worker says afterwards is not used.`,
      { reason: "TASK_CANCELLED", metadata },
    );
  }
  return new RouseError(
    "FAILED_PRECONDITION",
    `Worker ${worker} has said already how its assignment ${assignment} of task ${id} ended (${end?.kind ?? "not at all"}); "${kind}" changes nothing.`,
    { reason: "TASK_NOT_HELD", metadata },
  );
}

const REPORTS: ReadonlySet<string> = new Set(["finish", "fail", "split", "sleep", "release"]);
/** What ends an assignment. */
const ENDS: ReadonlySet<string> = new Set([...REPORTS, "lose", "cancel"]);

/** What becomes of a task with which so many workers were lost. */
export function workersLost({ id, losses, mostLosses, worker }: TaskNode): TaskError {
  return recordOf(
    new RouseError(
      "ABORTED",
      `Task ${id} has failed: ${losses + 1} workers were lost with it, the last one ${worker}, and ${mostLosses} is the most. Look at what it does to them, then submit it anew; most_losses allows more.`,
      { reason: "TASK_WORKERS_LOST", metadata: { task: id } },
    ),
  );
}

export function cancelled(reason: string): TaskError {
  const why = reason === "" ? "" : `: ${reason}`;
  return recordOf(new RouseError("CANCELLED", `The task was cancelled${why}.`, { reason: "TASK_CANCELLED" }));
}

/** The loser of a conflict is told what the winner has changed. */
export function conflict(task: TaskNode, expected: number, since: readonly PastChange[]): RouseError {
  const SHOWN = 5;
  const lines = since
    .slice(-SHOWN)
    .map(({ revision, kind, state, by, at }) =>
      [`${revision}: ${kind}`, by && `by ${by}`, `→ ${state}`, `at ${at.toISOString()}`]
        .filter(Boolean)
        .join(" "),
    );
  const more = since.length > SHOWN ? `${since.length - SHOWN} more before; ` : "";
  const what =
    expected > task.revision
      ? "it never had that one"
      : `since then: ${more}${lines.join("; ") || "nothing that is kept"}`;
  return new RouseError(
    "ABORTED",
    `Task ${task.id} is at revision ${task.revision} (${task.state}), not ${expected}: ${what}. Nothing is changed; look at it again, then decide anew.`,
    { reason: "TASK_CHANGED", metadata: { task: task.id, revision: String(task.revision) } },
  );
}

export function notEnded({ id, state }: TaskNode): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `Task ${id} is ${state} and has no outcome yet. Watch it until it has ended.`,
    { reason: "TASK_NOT_ENDED", metadata: { task: id } },
  );
}

/** Somebody else was quicker, or will be. */
export function collectedBy({ id, parent, collectedBy: by }: TaskNode): RouseError {
  if (parent !== "") {
    return new RouseError(
      "FAILED_PRECONDITION",
      `Task ${id} is a subtask: its parent ${parent} collects it. Read its result without collecting it.`,
      { reason: "TASK_OF_PARENT", metadata: { task: id, parent } },
    );
  }
  return new RouseError(
    "ABORTED",
    `Task ${id} was collected by ${by}, and an outcome is handed over once. Reading it stays possible.`,
    { reason: "TASK_COLLECTED", metadata: { task: id, by } },
  );
}

export function notSleeping({ id, state }: TaskNode): RouseError {
  return new RouseError("FAILED_PRECONDITION", `Task ${id} is ${state}; only a sleeping one can be woken.`, {
    reason: "TASK_NOT_SLEEPING",
    metadata: { task: id },
  });
}

export function alreadyOver({ id, state }: TaskNode): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `Task ${id} has ended (${state}) and stays as it is. Submit another one if it is needed.`,
    { reason: "TASK_OVER", metadata: { task: id } },
  );
}

/** The worker's lease is over; what it had was given back. */
export function workerEnded(worker: string): RouseError {
  return new RouseError(
    "ABORTED",
    `The lease of worker ${worker} has ended, as its heartbeat stayed away, or it has left; its tasks were given back. Come again under another name.`,
    { reason: "TASK_WORKER_ENDED", metadata: { worker } },
  );
}

export function keyReused(key: string, queue: string, id: string): RouseError {
  return new RouseError(
    "ALREADY_EXISTS",
    `The idempotency key ${JSON.stringify(key)} in queue ${queue} belongs to task ${id}, which is another one. Choose another key, or submit the same task.`,
    { reason: "TASK_KEY_REUSED", metadata: { task: id } },
  );
}
