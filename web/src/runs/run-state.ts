import { RunState } from "../../gen/rouse/orders/v1/runs.ts";

/** The states that the list can be narrowed to, by their word in the address. */
export const runStates: ReadonlyMap<string, RunState> = new Map([
  ["queued", RunState.RUN_STATE_QUEUED],
  ["running", RunState.RUN_STATE_RUNNING],
  ["sleeping", RunState.RUN_STATE_SLEEPING],
  ["succeeded", RunState.RUN_STATE_SUCCEEDED],
  ["failed", RunState.RUN_STATE_FAILED],
  ["cancelled", RunState.RUN_STATE_CANCELLED],
]);

const words = new Map([...runStates].map(([word, state]) => [state, word]));

export function runWord(state: RunState): string {
  return words.get(state) ?? "unknown";
}

const over = new Set<RunState>([
  RunState.RUN_STATE_SUCCEEDED,
  RunState.RUN_STATE_FAILED,
  RunState.RUN_STATE_CANCELLED,
]);

export function isOver(state: RunState): boolean {
  return over.has(state);
}
