import type { Logger } from "pino";
import type { HealthRecord } from "../../registry/health-record.ts";
import type { HostState } from "../../registry/hosts.ts";
import { steadyMs } from "../../sdk/steady.ts";
import { canSpare, HOST_LIMITS, healthy, nextChangeMs, step, takenOver, type Verdict } from "./machine.ts";
import type { Outcomes } from "./outcomes.ts";

export interface HostKeeperDeps {
  readonly log: Logger;
  readonly outcomes: Outcomes;
  readonly token: () => number | undefined;
  readonly hosts: () => readonly HostState[];
  /** Writes a host's health; undefined: it is well. */
  readonly write: (host: string, health: HealthRecord | undefined) => Promise<void>;
}

/** A host that is blamed is quarantined at once: three versions had to fail on it. */
const PATIENCE_MS = 0;
/** What could not be written is tried again after this time, ms. */
const RETRY_MS = 1_000;

/**
 * Steps the state machine of each host by what it is blamed for. Placement goes round hosts that are quarantined; what runs there
 * goes on, and is judged by itself.
 */
export class HostKeeper {
  readonly #deps: HostKeeperDeps;
  readonly #records = new Map<string, HealthRecord>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: HostKeeperDeps) {
    this.#deps = deps;
    deps.outcomes.onFailure(() => this.look());
  }

  /** Records of hosts that are not healthy, or were quarantined lately. */
  list(): ReadonlyMap<string, HealthRecord> {
    return this.#records;
  }

  /** Takes over what a former leader wrote, and goes on from there. */
  lead(nowMs = steadyMs()): void {
    for (const { host, health } of this.#deps.hosts()) {
      if (health === undefined) continue;
      const record = takenOver(health, nowMs, HOST_LIMITS);
      this.#records.set(host, record);
      if (record !== health) this.#write(host, record);
    }
    this.look(nowMs);
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#records.clear();
  }

  /** Lets a host be used again. @returns false when nothing was held against it. */
  async release(host: string): Promise<boolean> {
    if (!this.#records.delete(host)) return false;
    this.#deps.outcomes.forgive(host);
    this.#deps.log.info({ host }, "host is released from its quarantine");
    await this.#deps.write(host, undefined);
    return true;
  }

  /** Steps every host that is blamed, or was. */
  look(nowMs = steadyMs()): void {
    if (this.#deps.token() === undefined) return;
    clearTimeout(this.#timer);
    const { hosts: blamed } = this.#deps.outcomes.blame(nowMs);
    const hosts = this.#deps.hosts();
    const there = new Set(hosts.map(({ host }) => host));
    for (const host of this.#records.keys()) if (!there.has(host)) this.#records.delete(host);
    let againMs = Number.POSITIVE_INFINITY;
    for (const host of there) {
      const reason = blamed.get(host);
      const before = this.#records.get(host);
      if (reason === undefined && before === undefined) continue;
      const verdict: Verdict = { bad: reason, patienceMs: PATIENCE_MS };
      const record = this.#step(before ?? healthy(nowMs), verdict, nowMs, hosts, host);
      if (record !== before) this.#keep(host, record, before);
      againMs = Math.min(againMs, nextChangeMs(record, verdict, HOST_LIMITS) ?? Number.POSITIVE_INFINITY);
    }
    if (againMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.look(), Math.min(Math.max(againMs - nowMs, 1_000), 60_000)).unref();
  }

  #step(
    record: HealthRecord,
    verdict: Verdict,
    nowMs: number,
    hosts: readonly HostState[],
    name: string,
  ): HealthRecord {
    let usable = 0;
    let out = 0;
    for (const { host, healthy: there } of hosts) {
      if (host === name || !there) continue;
      if (this.#records.get(host)?.condition === "quarantined") out++;
      else usable++;
    }
    const once = step(record, verdict, nowMs, canSpare(usable, out), HOST_LIMITS);
    // Its first bad sign already were three.
    return once.condition === "suspect" && record.condition === "healthy"
      ? step(once, verdict, nowMs, canSpare(usable, out), HOST_LIMITS)
      : once;
  }

  #keep(host: string, record: HealthRecord, before: HealthRecord | undefined): void {
    const isWell = record.condition === "healthy" && record.strikes === 0;
    if (isWell) this.#records.delete(host);
    else this.#records.set(host, record);
    const { condition, reason, strikes } = record;
    if (condition === before?.condition && reason === before.reason) return;
    if (condition !== before?.condition)
      this.#deps.log.warn({ host, reason, strikes }, `host is ${condition}`);
    this.#write(host, isWell ? undefined : record);
  }

  #write(host: string, record: HealthRecord | undefined): void {
    this.#deps.write(host, record).catch((err: unknown) => {
      this.#deps.log.warn({ err, host }, "the health of a host is not written; it is tried again");
      const again = () => {
        if (this.#deps.token() !== undefined && this.#records.get(host) === record) this.#write(host, record);
      };
      setTimeout(again, RETRY_MS).unref();
    });
  }
}
