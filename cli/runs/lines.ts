import { type Kept, type Run, RunState } from "#proto/rouse/orders/v1/runs.ts";
import { age } from "../../sdk/age.ts";
import { table } from "../table.ts";
import { runStateWord, shownValue } from "./timeline.ts";

/** A line for each run. */
export function runLines(runs: readonly Run[], nowMs: number): string[] {
  const rows = runs.map((run) => {
    const { operation, state, key, entries } = run;
    return [
      operation?.id ?? "",
      `${operation?.service}/${operation?.method}`,
      operation?.version ?? "",
      runStateWord(state),
      key,
      String(entries),
      age(nowMs - (operation?.createdAtMs ?? nowMs)),
      note(run, nowMs),
    ];
  });
  return table(["RUN", "METHOD", "VERSION", "STATE", "KEY", "STEPS", "AGE", ""], rows);
}

function note({ operation, state, wakesAtMs, trouble }: Run, nowMs: number): string {
  if (operation?.error !== undefined) return operation.error.message.split("\n")[0]?.slice(0, 80) ?? "";
  if (trouble !== "") return trouble.split("\n")[0]?.slice(0, 80) ?? "";
  return state === RunState.SLEEPING && wakesAtMs > 0 ? `wakes in ${age(wakesAtMs - nowMs)}` : "";
}

/** A line for each value that is kept. */
export function keptLines(kept: readonly Kept[], nowMs: number): string[] {
  const rows = kept.map(({ key, name, value, valueBytes, run, keptAtMs }) => [
    key,
    name,
    shownValue(value, valueBytes),
    age(nowMs - keptAtMs),
    run,
  ]);
  return table(["KEY", "NAME", "VALUE", "AGE", "RUN"], rows);
}

/** States by the words that people give. */
export const RUN_STATES: Readonly<Record<string, RunState>> = {
  queued: RunState.QUEUED,
  running: RunState.RUNNING,
  sleeping: RunState.SLEEPING,
  succeeded: RunState.SUCCEEDED,
  failed: RunState.FAILED,
  cancelled: RunState.CANCELLED,
};
