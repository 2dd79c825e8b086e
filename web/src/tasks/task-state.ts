import { TaskState } from "../../gen/rouse/orders/v1/tasks.ts";

/** The states that the list can be narrowed to, by their word in the address. */
export const taskStates: ReadonlyMap<string, TaskState> = new Map([
  ["unassigned", TaskState.TASK_STATE_UNASSIGNED],
  ["assigned", TaskState.TASK_STATE_ASSIGNED],
  ["working", TaskState.TASK_STATE_WORKING],
  ["waits for subtasks", TaskState.TASK_STATE_WAIT_FOR_SUBTASKS],
  ["sleeping", TaskState.TASK_STATE_SLEEPING],
  ["done calculating", TaskState.TASK_STATE_DONE_CALCULATING],
  ["collected", TaskState.TASK_STATE_COLLECTED],
  ["failed", TaskState.TASK_STATE_FAILED],
  ["cancelled", TaskState.TASK_STATE_CANCELLED],
]);

const words = new Map([...taskStates].map(([word, state]) => [state, word]));

export function taskWord(state: TaskState): string {
  return words.get(state) ?? "unknown";
}

const last = new Set<TaskState>([
  TaskState.TASK_STATE_DONE_CALCULATING,
  TaskState.TASK_STATE_COLLECTED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELLED,
]);

/** True when it is worked on no more. */
export function isOver(state: TaskState): boolean {
  return last.has(state);
}
