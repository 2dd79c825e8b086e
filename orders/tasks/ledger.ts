import {
  isHeld,
  isOver,
  type Refusal,
  step,
  type TaskCore,
  type TaskError,
  type TaskEvent,
} from "./machine.ts";

/** A task among others. */
export interface TaskNode extends TaskCore {
  readonly id: string;
  readonly queue: string;
  /** Empty: none. */
  readonly parent: string;
}

/** One line of a task's history. */
export interface TaskChange {
  readonly task: string;
  /** The one that it led to, as are state and assignment. */
  readonly revision: number;
  readonly kind: TaskEvent["kind"] | "submit";
  readonly state: TaskCore["state"];
  readonly assignment: number;
  /** Worker, collector or service. */
  readonly by: string;
  readonly note: string;
}

/** Tasks within one transaction: what happens to them, to be written at its end. */
export class Ledger {
  readonly #tasks: Map<string, TaskNode>;
  readonly #changed = new Set<string>();
  readonly changes: TaskChange[] = [];

  /** @param tasks as they are, locked. */
  constructor(tasks: Iterable<TaskNode>) {
    this.#tasks = new Map([...tasks].map((task) => [task.id, task]));
  }

  get(id: string): TaskNode | undefined {
    return this.#tasks.get(id);
  }

  all(): TaskNode[] {
    return [...this.#tasks.values()];
  }

  changed(): TaskNode[] {
    return this.all().filter(({ id }) => this.#changed.has(id));
  }

  /** @returns the task after it, or why nothing changes. */
  apply(task: TaskNode, event: TaskEvent): TaskNode | Refusal {
    const known = this.#tasks.get(task.id) ?? task;
    const after = step(known, event);
    if (typeof after === "string") return after;
    const next = { ...known, ...after };
    this.#tasks.set(next.id, next);
    this.#changed.add(next.id);
    const { id, revision, state, assignment } = next;
    this.changes.push({ task: id, revision, kind: event.kind, state, assignment, ...told(event) });
    return next;
  }
}

/** Who a parent is as the collector of its subtasks. */
export function parentCollector(id: string): string {
  return `task:${id}`;
}

/** Hands the outcomes of subtasks that have ended over to their parent; the last one wakes it. */
export function collectSubtasks(ledger: Ledger, parentId: string): void {
  const by = parentCollector(parentId);
  const parent = ledger.get(parentId);
  let count = 0;
  for (const task of ledger.all())
    if (task.parent === parentId && isOver(task) && task.collectedBy === "")
      if (typeof ledger.apply(task, { kind: "collect", by }) !== "string") count += 1;
  // A parent that was cancelled does not care.
  if (parent !== undefined && count > 0) ledger.apply(parent, { kind: "subtask", count });
}

/** Cancels a task and all below it that is not over. @param below its subtasks, theirs, and so on. */
export function cancelTree(ledger: Ledger, root: TaskNode, error: TaskError): TaskNode | Refusal {
  const after = ledger.apply(root, { kind: "cancel", error });
  if (typeof after === "string") return after;
  const ended = new Set([root.id]);
  // A subtask is younger than its parent, so that one round finds them all when the oldest come first; else a few do.
  for (let before = 0; before < ended.size; ) {
    before = ended.size;
    for (const task of ledger.all())
      if (ended.has(task.parent) && !ended.has(task.id)) {
        ended.add(task.id);
        ledger.apply(task, { kind: "cancel", error });
      }
  }
  return after;
}

/** A worker's lease has ended: what it had goes back, or fails if too many were lost with it. */
export function loseWorker(ledger: Ledger, worker: string, error: (task: TaskNode) => TaskError): void {
  for (const task of ledger.all())
    if (isHeld(task) && task.worker === worker)
      ledger.apply(task, { kind: "lose", worker, error: error(task) });
}

function told(event: TaskEvent): Pick<TaskChange, "by" | "note"> {
  switch (event.kind) {
    case "assign":
    case "begin":
    case "finish":
    case "release":
      return { by: event.worker, note: "" };
    case "lose":
    case "fail":
      return { by: event.worker, note: event.error.message };
    case "split":
      return { by: event.worker, note: `${event.subtasks} subtasks` };
    case "sleep":
      return { by: event.worker, note: `until ${new Date(event.untilMs).toISOString()}` };
    case "wake":
      return { by: "", note: "" };
    case "subtask":
      return { by: "", note: `${event.count} collected` };
    case "collect":
      return { by: event.by, note: "" };
    case "cancel":
      return { by: "", note: event.error.message };
  }
}
