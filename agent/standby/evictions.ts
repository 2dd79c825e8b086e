import type { Logger } from "pino";
import { type InstanceSpec, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { type Capacity, needOf } from "../capacity.ts";
import type { ManagedInstance } from "../instance.ts";
import { leastRecent, victims } from "./victims.ts";

/** Time to end for an instance that makes room for another, ms: it had no calls, and somebody waits. */
const graceMs = 1_000;

/** Makes room for what starts: ends instances on standby, and passes on what those hold that are being stopped. */
export class Evictions {
  readonly #capacity: Capacity;
  readonly #instances: () => readonly ManagedInstance[];
  readonly #log: Logger;

  constructor(capacity: Capacity, instances: () => readonly ManagedInstance[], log: Logger) {
    this.#capacity = capacity;
    this.#instances = instances;
    this.#log = log;
  }

  /** Instances on standby that are not on their way out or back. */
  get standbys(): readonly ManagedInstance[] {
    return this.#instances().filter(
      ({ record, isStopping }) => record.state === InstanceState.STANDBY && !isStopping,
    );
  }

  /**
   * Passes what a spec needs to whoever is about to start, if that helps, from standbys, and where these do not do from instances that
   * are being stopped, which Consul shows no more; reserving it may still fail.
   *
   * @returns resolves when they have ended, at once when nothing needs to go.
   */
  async makeRoom(spec: InstanceSpec): Promise<void> {
    const leaving = this.#instances().filter(
      ({ isStopping, record }) => isStopping && this.#capacity.holds(record.id),
    );
    const last = leaving.map((one) => ({ ...frozen(one), lastUsedMs: Number.POSITIVE_INFINITY }));
    const chosen = victims(needOf(spec), this.#capacity.left, [...this.standbys.map(frozen), ...last]) ?? [];
    const reason = `evicted from standby: ${spec.service} ${spec.version} needs its place`;
    // Reservations change hands before anything is waited for, so that nobody takes them in between.
    for (const id of chosen) this.#capacity.release(id);
    const ends = new Map(leaving.map(({ record, unit, over }) => [record.id, unit?.ended ?? over]));
    await Promise.all(chosen.map((id) => ends.get(id) ?? this.#evict(id, reason)));
  }

  /** Ends the one that was used longest ago. @returns whether there was one. */
  async evictOne(reason: string): Promise<boolean> {
    const [oldest] = leastRecent(this.standbys.map(frozen));
    if (oldest === undefined) return false;
    await this.#evict(oldest.id, `evicted from standby: ${reason}`);
    return true;
  }

  async #evict(id: string, reason: string): Promise<void> {
    this.#log.info({ instance: id, reason }, "evicting an instance on standby");
    await this.#instances()
      .find(({ record }) => record.id === id)
      ?.stop(graceMs, reason);
  }
}

function frozen({ record }: ManagedInstance) {
  return { id: record.id, holds: needOf(record.spec), lastUsedMs: record.lastUsedMs };
}
