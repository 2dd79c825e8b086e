import type { HostState, HostsWatch } from "../../../registry/hosts.ts";
import { HostJobs } from "./host-jobs.ts";

/** A host that its machine's gossip says is dead, or that has gone, is waited for so long, ms: it may only have been restarted. */
const GONE_MS = 20_000;
/** A host whose machine answers but whose agent does not is waited for so long, ms. */
const SILENT_MS = 300_000;

/** The hosts that jobs run on. */
export class Fleet {
  readonly #hosts: HostsWatch;
  readonly #jobs = new Map<string, { readonly address: string; readonly jobs: HostJobs }>();
  /** Since when hosts are not there, ms since 1970. */
  readonly #goneSinceMs = new Map<string, number>();

  constructor(hosts: HostsWatch) {
    this.#hosts = hosts;
  }

  /** The jobs of a host; undefined while nobody knows where it is. */
  at(host: string): HostJobs | undefined {
    const state = this.#hosts.current().get(host);
    const known = this.#jobs.get(host);
    if (state === undefined || known?.address === state.address) return known?.jobs;
    known?.jobs.close();
    const jobs = new HostJobs(state.address).start();
    this.#jobs.set(host, { address: state.address, jobs });
    return jobs;
  }

  /** All hosts that are known. */
  names(): string[] {
    return [...new Set([...this.#hosts.current().keys(), ...this.#jobs.keys()])];
  }

  /** Why what ran on a host has to be taken for lost; undefined while there is hope. */
  lost(host: string, nowMs: number): string | undefined {
    const state = this.#hosts.current().get(host);
    const jobs = this.at(host);
    // Of a host that left before this process began nobody can be asked.
    const silentSinceMs = jobs === undefined ? nowMs : jobs.silentSinceMs;
    if (silentSinceMs === undefined) {
      this.#goneSinceMs.delete(host);
      return undefined;
    }
    const gone = whyGone(state);
    if (gone === undefined) {
      this.#goneSinceMs.delete(host);
      return nowMs - silentSinceMs >= SILENT_MS ? "its agent has not answered for 5 minutes" : undefined;
    }
    const sinceMs = this.#goneSinceMs.get(host) ?? nowMs;
    this.#goneSinceMs.set(host, sinceMs);
    return nowMs - sinceMs >= GONE_MS ? gone : undefined;
  }

  close(): void {
    for (const { jobs } of this.#jobs.values()) jobs.close();
    this.#jobs.clear();
  }
}

function whyGone(state: HostState | undefined): string | undefined {
  if (state === undefined) return "it is not part of the mesh any more";
  if (state.lost !== undefined) return "it was declared dead";
  return state.reachable ? undefined : "it does not answer";
}
