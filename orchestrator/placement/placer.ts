import type { HostState } from "../../registry/hosts.ts";
import type { MeshState, VersionState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";
import type { Starts } from "../starts.ts";
import type { PlaceableHost } from "./host.ts";
import type { Needs } from "./needs.ts";
import { judge, type Placement, place, type Verdict } from "./place.ts";
import { placeableHosts } from "./placeable-hosts.ts";
import { versionNeeds } from "./version-needs.ts";

/** Where placement looks. */
export interface Fleet {
  current(): MeshState;
  hosts(): readonly HostState[];
}

type Version = { readonly service: string; readonly version: string };

/** A host where a start of a version failed is avoided for it so long, ms: the longest back-off. */
const FAILED_MS = 300_000;

/** Chooses hosts for what an orchestrator starts, from the state as it is and from what it has seen of hosts. */
export class Placer {
  readonly #fleet: Fleet;
  readonly #starts: Starts;
  /** By host, versions that were made ready there. */
  readonly #prepared = new Map<string, Set<string>>();
  /** By version and host, until when a failed start there counts, ms since 1970. */
  readonly #failed = new Map<string, Map<string, number>>();

  constructor(fleet: Fleet, starts: Starts) {
    this.#fleet = fleet;
    this.#starts = starts;
  }

  /** Chooses a host for one more instance. */
  place(state: VersionState, nowMs = Date.now()): Placement {
    return place(this.needs(state, nowMs), this.hosts());
  }

  /** What speaks for and against each host. */
  judge(state: VersionState, nowMs = Date.now()): Verdict[] {
    return judge(this.needs(state, nowMs), this.hosts());
  }

  needs(state: VersionState, nowMs: number): Needs {
    const failedOn = this.#failedOn(versionKey(state.manifest), nowMs);
    return { ...versionNeeds(state), ...(failedOn.size === 0 ? {} : { failedOn }) };
  }

  hosts(): PlaceableHost[] {
    return placeableHosts(this.#fleet.hosts(), this.#fleet.current(), this.#starts, {
      prepared: (host) => this.#prepared.get(host) ?? NOTHING,
    });
  }

  /** Notes that a host has a version's bundle or image. */
  notePrepared(version: Version, host: string): void {
    const there = this.#prepared.get(host) ?? new Set();
    this.#prepared.set(host, there.add(versionKey(version)));
  }

  /** Notes that a start of a version failed on a host. */
  noteFailed(version: Version, host: string, nowMs = Date.now()): void {
    const key = versionKey(version);
    const hosts = this.#failed.get(key) ?? new Map<string, number>();
    this.#failed.set(key, hosts.set(host, nowMs + FAILED_MS));
  }

  #failedOn(key: string, nowMs: number): ReadonlySet<string> {
    const hosts = this.#failed.get(key);
    if (hosts === undefined) return NOTHING;
    for (const [host, untilMs] of hosts) if (untilMs <= nowMs) hosts.delete(host);
    if (hosts.size === 0) this.#failed.delete(key);
    return new Set(hosts.keys());
  }
}

const NOTHING: ReadonlySet<string> = new Set();
