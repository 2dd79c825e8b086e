/** States of a task, as the database keeps them. */
export const TASK_STATES = [
  "waiting",
  "ready",
  "running",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

export interface PlannedTask {
  readonly name: string;
  /** Names of tasks of the same order. */
  readonly needs: readonly string[];
  readonly state: TaskState;
}

/** What follows from the states of an order's tasks. */
export interface Next {
  /** Waiting tasks whose needs have all succeeded. */
  readonly ready: readonly string[];
  /** Waiting tasks that can never begin, as something that they need did not succeed. */
  readonly skipped: readonly string[];
  /** Set when nothing of the order goes on or can. */
  readonly ended?: "succeeded" | "failed";
}

/**
 * What an order does next. All that can begin does, at the same time; a task that failed takes with it what needs it, while
 * branches that do not go on. The order has failed once nothing can go on and some task has not succeeded.
 */
export function next(tasks: readonly PlannedTask[]): Next {
  const states = new Map(tasks.map(({ name, state }) => [name, state]));
  const skipped: string[] = [];
  // What is skipped may skip more; each round but the last skips one at least.
  for (let before = -1; before !== skipped.length; ) {
    before = skipped.length;
    for (const { name, needs } of tasks) {
      if (states.get(name) !== "waiting" || !needs.some((need) => isLost(states.get(need)))) continue;
      states.set(name, "skipped");
      skipped.push(name);
    }
  }
  const ready = tasks
    .filter(
      ({ name, needs }) =>
        states.get(name) === "waiting" && needs.every((need) => states.get(need) === "succeeded"),
    )
    .map(({ name }) => name);
  const open = [...states.values()].some((state) => state === "ready" || state === "running");
  if (open || ready.length > 0) return { ready, skipped };
  const good = [...states.values()].every((state) => state === "succeeded");
  return { ready, skipped, ended: good ? "succeeded" : "failed" };
}

function isLost(state: TaskState | undefined): boolean {
  return state === "failed" || state === "cancelled" || state === "skipped" || state === undefined;
}
