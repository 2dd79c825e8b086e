import type { Changes } from "../database/changes.ts";
import { isOver } from "./machine.ts";
import type { TaskRow } from "./record.ts";
import type { TaskStore } from "./store.ts";
import { TASKS_CHANGED } from "./tables.ts";

/** Tells those who follow a task that it has changed: one listener for all of them. */
export class TaskNews {
  readonly #followers = new Map<string, Set<(over: boolean) => void>>();

  constructor(changes: Changes) {
    changes.listen(TASKS_CHANGED, (payload) => {
      const [id, state] = payload?.split(" ") ?? [];
      const told = id === undefined ? [...this.#followers.values()] : [this.#followers.get(id) ?? []];
      for (const followers of told) for (const tell of followers) tell(state !== "open");
    });
  }

  /**
   * The task as it is and after changes, until it has ended or the signal aborts.
   *
   * @param endOnly nothing between now and the end.
   * @throws RouseError NOT_FOUND TASK_UNKNOWN; UNAVAILABLE DATABASE_UNREACHABLE.
   */
  async *follow(
    tasks: TaskStore,
    id: string,
    endOnly: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<TaskRow> {
    let changed = Promise.withResolvers<void>();
    const now = () => changed.resolve();
    const tell = (over: boolean) => {
      if (over || !endOnly) now();
    };
    const followers = this.#followers.get(id) ?? new Set();
    this.#followers.set(id, followers.add(tell));
    signal.addEventListener("abort", now, { once: true });
    try {
      while (!signal.aborted) {
        changed = Promise.withResolvers();
        const row = await tasks.get(id);
        yield row;
        if (isOver(row)) return;
        if (!signal.aborted) await changed.promise;
      }
    } finally {
      signal.removeEventListener("abort", now);
      followers.delete(tell);
      if (followers.size === 0) this.#followers.delete(id);
    }
  }
}
