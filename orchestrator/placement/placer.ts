import type { VersionState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Starts } from "../starts.ts";
import { besideThose, occupancyBeside } from "./beside.ts";
import { Callers } from "./callers.ts";
import { whatWouldHelp } from "./changes.ts";
import type { Amounts, PlaceableHost } from "./host.ts";
import { type Fleet, LiveIndex } from "./live-index.ts";
import { type Needs, versionNeeds } from "./needs.ts";
import { judge, nowhere, type Placement, place, type Verdict } from "./place.ts";
import { termsOf } from "./score.ts";
import { whyChosen } from "./why.ts";

type Version = { readonly service: string; readonly version: string };

/** A host where a start of a version failed is avoided for it so long, ms: the longest back-off. */
const FAILED_MS = 300_000;

/** Chooses hosts for what an orchestrator starts, from the state as it is and from what it has seen of hosts. */
export class Placer {
  readonly callers = new Callers();
  readonly #live: LiveIndex;
  /** By host, bundles and images that are there. */
  readonly #prepared = new Map<string, Set<string>>();
  /** By version and host, until when a failed start there counts, ms since 1970. */
  readonly #failed = new Map<string, Map<string, number>>();

  constructor(fleet: Fleet, starts: Starts) {
    this.#live = new LiveIndex(fleet, starts, (host) => this.#preparedOn(host));
  }

  /**
   * Chooses a host for one more instance.
   *
   * @param out Ids of instances in whose place others come: where nothing else is left, it need not be apart from them.
   */
  place(state: VersionState, nowMs = steadyMs(), out = NOTHING): Placement {
    const index = this.#live.current();
    const needs = this.#needs(state, nowMs);
    const found = index.find(needs);
    if (found === undefined) {
      const hosts = index.hosts();
      const beside = besideThose(state, out, hosts);
      const placed = beside && place(needs, beside, occupancyBeside(needs, beside, hosts));
      return placed?.host === undefined ? nowhere(needs, hosts) : placed;
    }
    const terms = termsOf(needs, found.host, found.compared());
    return {
      host: found.host.name,
      why: whyChosen(terms, found.score, found.fitting, index.hosts().length),
    };
  }

  /** What speaks for and against each host, as {@link place} looks at them. */
  judge(state: VersionState, nowMs = steadyMs(), out = NOTHING): Verdict[] {
    const needs = this.#needs(state, nowMs);
    const hosts = this.#live.current().hosts();
    const verdicts = judge(needs, hosts);
    if (verdicts[0]?.fits === true) return verdicts;
    const beside = besideThose(state, out, hosts);
    const besides = beside && judge(needs, beside, occupancyBeside(needs, beside, hosts));
    return besides?.[0]?.fits === true ? besides : verdicts;
  }

  /** What would have to change where no host takes one more: {@link whatWouldHelp}. */
  changes(state: VersionState, nowMs = steadyMs()): string[] {
    return whatWouldHelp(this.#needs(state, nowMs), this.#live.current().hosts());
  }

  /** The hosts with what they gave away. Not to be kept: they change. */
  hosts(): readonly PlaceableHost[] {
    return this.#live.current().hosts();
  }

  /** Notes the bundles and images that a host has, as its agent says, in place of what was noted; undefined: nobody knows. */
  setPrepared(host: string, held: ReadonlySet<string> = NOTHING): void {
    const before = this.#preparedOn(host);
    for (const artifact of before) if (!held.has(artifact)) this.#live.setPrepared(artifact, host, false);
    for (const artifact of held) if (!before.has(artifact)) this.#live.setPrepared(artifact, host, true);
    before.clear();
    for (const artifact of held) before.add(artifact);
  }

  /** Notes what jobs hold on a host, as its agent says; undefined: it says nothing any more. */
  noteJobs(host: string, held: Amounts | undefined): void {
    this.#live.setJobs(host, held);
  }

  /** Notes that a start of a version failed on a host. */
  noteFailed(version: Version, host: string, nowMs = steadyMs()): void {
    const key = versionKey(version);
    const hosts = this.#failed.get(key) ?? new Map<string, number>();
    this.#failed.set(key, hosts.set(host, nowMs + FAILED_MS));
  }

  /** Notes that a start of a version went well on a host. */
  noteServed(version: Version, host: string): void {
    this.#failed.get(versionKey(version))?.delete(host);
  }

  /** Whether an instance would fit on another host than these. */
  fitsBeside(state: VersionState, hosts: ReadonlySet<string>): boolean {
    return this.judge(state).some((verdict) => verdict.fits && !hosts.has(verdict.host.name));
  }

  #needs(state: VersionState, nowMs: number): Needs {
    const failedOn = this.#failedOn(versionKey(state.manifest), nowMs);
    const callers = this.callers.shares(state.manifest);
    return {
      ...versionNeeds(state),
      ...(callers.size === 0 ? {} : { callers }),
      ...(failedOn.size === 0 ? {} : { failedOn }),
    };
  }

  #preparedOn(host: string): Set<string> {
    const there = this.#prepared.get(host) ?? new Set();
    this.#prepared.set(host, there);
    return there;
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
