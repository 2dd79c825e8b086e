import type { Sessions } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { sessionsOf } from "../registry/sessions.ts";
import type { InstanceState } from "../registry/state.ts";
import { type Target, versionKey } from "../registry/target.ts";
import type { Advice, AdvisedVersion, Adviser } from "./adviser.ts";
import type { Demand } from "./demand.ts";

/**
 * An instance that tells nobody how many sessions it has is taken to have some for so long, from when it is first seen here:
 * its stream is on its way to another mesh-config, or a new leader has not heard of it. Those of images tell nothing, ever. ms.
 */
const UNKNOWN_MS = 20_000;
/** Who works on tasks says so every second, and counts as working on them for so long, ms. */
const TASKS_MS = 5_000;

interface Count {
  readonly live: number;
  readonly source: string;
  /** When its mesh-config said nothing of it any more, ms since 1970. */
  goneAtMs: number | undefined;
}

/**
 * How many sessions live at each instance, as the instances tell mesh-configs, and what follows: a version with sessions is not
 * idle, and a retiring instance has as long for them as its contract says. A version whose instances work on tasks is not idle either.
 */
export class SessionsAdviser implements Adviser {
  readonly #counts = new Map<string, Count>();
  readonly #seenAt = new Map<string, number>();
  /** When an instance of a version last said that it works on tasks, ms since 1970. */
  readonly #tasksAt = new Map<string, number>();
  readonly #demand: () => Demand;

  constructor(demand: () => Demand) {
    this.#demand = demand;
  }

  /** Takes what a mesh-config's instances tell. @returns the versions for which that is news. */
  report(
    source: string,
    sessions: readonly Sessions[],
    nowMs: number,
  ): Pick<Target, "service" | "version">[] {
    const news = new Map<string, Pick<Target, "service" | "version">>();
    const told = new Set<string>();
    for (const { instanceId, service, version, live, tasks } of sessions) {
      const key = versionKey({ service, version });
      if (tasks > 0) {
        if (!this.#worksOnTasks(key, nowMs)) news.set(key, { service, version });
        this.#tasksAt.set(key, nowMs);
        // The idle time begins when the last one is done.
        this.#demand().touch({ service, version }, nowMs);
        continue;
      }
      told.add(instanceId);
      const before = this.#counts.get(instanceId)?.live;
      if (before === undefined || before > 0 !== live > 0) news.set(key, { service, version });
      this.#counts.set(instanceId, { live, source, goneAtMs: undefined });
    }
    for (const [id, count] of this.#counts) {
      if (count.source === source && !told.has(id)) count.goneAtMs ??= nowMs;
      if (count.goneAtMs !== undefined && nowMs - count.goneAtMs > UNKNOWN_MS) this.#counts.delete(id);
    }
    return [...news.values()];
  }

  advise({ service, version, state }: AdvisedVersion, nowMs: number): Advice {
    const times = sessionsOf(state.manifest);
    const key = versionKey({ service, version });
    const works = this.#worksOnTasks(key, nowMs);
    const worksUntilMs = (this.#tasksAt.get(key) ?? 0) + TASKS_MS;
    if (times === undefined) return works ? { busy: true, lookAgainMs: worksUntilMs } : {};
    const held = new Map<string, number>();
    let busy = works;
    let lookAgainMs = works ? worksUntilMs : Number.POSITIVE_INFINITY;
    for (const instance of state.instances) {
      const untilMs = this.#hasUntil(instance, nowMs);
      if (untilMs <= nowMs) continue;
      busy = true;
      lookAgainMs = Math.min(lookAgainMs, untilMs);
      if (instance.retiring !== true) continue;
      const endMs = this.#demand().retiringSince(instance.id, nowMs) + times.retireMs;
      held.set(instance.id, Math.min(endMs, untilMs));
    }
    for (const id of this.#seenAt.keys()) if (this.#counts.has(id)) this.#seenAt.delete(id);
    return { busy, held, lookAgainMs };
  }

  /** Forgets all: another orchestrator leads. */
  reset(): void {
    this.#counts.clear();
    this.#seenAt.clear();
    this.#tasksAt.clear();
  }

  #worksOnTasks(key: string, nowMs: number): boolean {
    const atMs = this.#tasksAt.get(key);
    if (atMs !== undefined && nowMs < atMs + TASKS_MS) return true;
    this.#tasksAt.delete(key);
    return false;
  }

  /** Until when the instance counts as having sessions, as far as is known now, ms since 1970. */
  #hasUntil({ id }: InstanceState, nowMs: number): number {
    const count = this.#counts.get(id);
    if (count !== undefined) return count.live > 0 ? Number.POSITIVE_INFINITY : 0;
    const seenAtMs = this.#seenAt.get(id) ?? nowMs;
    this.#seenAt.set(id, seenAtMs);
    return seenAtMs + UNKNOWN_MS;
  }
}
