import { type Task, type TaskChange, TaskState, type TaskWorker } from "#proto/rouse/orders/v1/tasks.ts";
import { age } from "../../sdk/age.ts";
import { table } from "../table.ts";

/** "wait_for_subtasks" */
export function stateWord(state: TaskState): string {
  return state.replace("TASK_STATE_", "").toLowerCase();
}

/** The state of that name; undefined: there is none. */
export function stateOf(word: string): TaskState | undefined {
  return Object.values(TaskState).find(
    (state) => stateWord(state) === word && state !== TaskState.UNSPECIFIED,
  );
}

export function stateWords(): string {
  const states = Object.values(TaskState).filter((state) => state !== TaskState.UNSPECIFIED);
  return states.map(stateWord).join(", ");
}

/** A line for each task. */
export function taskLines(tasks: readonly Task[], nowMs: number): string {
  const rows = tasks.map((task) => [
    task.id,
    task.queue,
    stateWord(task.state),
    age(nowMs - task.createdAtMs),
    about(task, nowMs),
  ]);
  return table(["TASK", "QUEUE", "STATE", "AGE", ""], rows).join("\n");
}

/** What there is to say of a task beside its state. */
function about(task: Task, nowMs: number): string {
  const { state, error, progress, pending, wakeAtMs, collectedBy, losses, failures } = task;
  const words: string[] = [];
  if (progress !== undefined && task.endedAtMs === 0)
    words.push(`${Math.round(progress.fraction * 100)} %${progress.note === "" ? "" : ` ${progress.note}`}`);
  if (state === TaskState.WAIT_FOR_SUBTASKS) words.push(`${pending} to go`);
  if (state === TaskState.SLEEPING) words.push(`wakes in ${age(wakeAtMs - nowMs)}`);
  if (losses > 0) words.push(`${losses} ${losses === 1 ? "worker" : "workers"} lost`);
  if (failures > 0) words.push(`${failures} failed`);
  if (error !== undefined) words.push(error.message.split("\n")[0]?.slice(0, 80) ?? "");
  if (collectedBy !== "" && !collectedBy.startsWith("task:")) words.push(`by ${collectedBy}`);
  return words.join(" · ");
}

/** A task with all below it, as a tree. @param below subtasks by their parent's id, in their order. */
export function treeLines(task: Task, below: ReadonlyMap<string, readonly Task[]>, nowMs: number): string[] {
  const lines = (one: Task, first: string, others: string): string[] => {
    const subtasks = below.get(one.id) ?? [];
    const line = [one.id, one.queue, stateWord(one.state), about(one, nowMs)].filter(Boolean).join("  ");
    return [
      first + line,
      ...subtasks.flatMap((subtask, at) => {
        const last = at === subtasks.length - 1;
        return lines(subtask, `${others}${last ? "└─ " : "├─ "}`, `${others}${last ? "   " : "│  "}`);
      }),
    ];
  };
  return lines(task, "", "");
}

/** What became of a task, change by change. */
export function changeLines(changes: readonly TaskChange[]): string {
  const rows = changes.map(({ revision, atMs, kind, state, by, note }) => [
    String(revision),
    new Date(atMs).toISOString(),
    kind,
    stateWord(state),
    [by, note].filter(Boolean).join(": ").split("\n")[0] ?? "",
  ]);
  return table(["REVISION", "TIME", "CHANGE", "STATE", ""], rows).join("\n");
}

export function workerLines(workers: readonly TaskWorker[], nowMs: number): string {
  const rows = workers.map(({ id, queue, name, room, held, leaseUntilMs }) => [
    id,
    queue,
    `${held} of ${room}`,
    leaseUntilMs < nowMs ? "over" : age(leaseUntilMs - nowMs),
    name,
  ]);
  return table(["WORKER", "QUEUE", "TASKS", "LEASE", "NAME"], rows).join("\n");
}
