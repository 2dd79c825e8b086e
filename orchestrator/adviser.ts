import type { VersionState } from "../registry/state.ts";
import type { VersionLoad } from "./demand.ts";

/** A version as advisers see it. */
export interface AdvisedVersion {
  readonly service: string;
  readonly version: string;
  /** With the orchestrator's own writes that Consul does not show yet. */
  readonly state: VersionState;
  /** What mesh-configs reported last. */
  readonly load: VersionLoad;
  /** Starts under way in the current generation. */
  readonly starting: number;
}

/** Why an instance shall go. */
export interface Leaving {
  /** As a clause, such as "host b drains". */
  readonly reason: string;
  /** From when on it goes though nothing could take its place, ms since 1970; undefined: never. */
  readonly byMs?: number;
  /** When it is stopped though calls are open, ms since 1970; undefined: when the contract's time for calls is over. */
  readonly stopByMs?: number;
}

/** What a part beside the plan says of one version at one moment. Answers of several advisers are joined. */
export interface Advice {
  /** Instances that the load asks for. The most that any adviser says, held between the contract's minimum and maximum. */
  readonly desired?: number;
  /** Instances that shall go, by id: replaced first where they are needed, then retired, then stopped. */
  readonly leaving?: ReadonlyMap<string, Leaving>;
  /** Instances that may stay, but do not count, by id: as many others are wanted as if they were not there. */
  readonly unfit?: ReadonlySet<string>;
  /** Instances of which no agent says that they run, by id: none that does is taken away because of them. */
  readonly unseen?: ReadonlySet<string>;
  /** Instances that count as gone at once, such as those of a dead host: neither drained nor stopped. */
  readonly lost?: ReadonlySet<string>;
  /** Retiring instances that must not be stopped before this time (ms since 1970), by id: they have sessions or jobs. */
  readonly held?: ReadonlyMap<string, number>;
  /** In use though no call is open: it must not go idle. */
  readonly busy?: boolean;
  /** When to look again though nothing happens, ms since 1970. */
  readonly lookAgainMs?: number;
}

/** A part that has a say in the plan. Must be quick: it is asked at each plan. */
export interface Adviser {
  advise(version: AdvisedVersion, nowMs: number): Advice;
}

/** All that the advisers say, with nothing left open. */
export interface JoinedAdvice {
  /** undefined: nobody counts the load. */
  readonly desired: number | undefined;
  readonly leaving: ReadonlyMap<string, Leaving>;
  readonly unfit: ReadonlySet<string>;
  readonly unseen: ReadonlySet<string>;
  readonly lost: ReadonlySet<string>;
  readonly held: ReadonlyMap<string, number>;
  readonly busy: boolean;
  readonly lookAgainMs: number;
}

/** Ids of instances in whose place others come. */
export function replaced({ leaving, unfit }: JoinedAdvice): ReadonlySet<string> {
  return new Set([...leaving.keys(), ...unfit]);
}

/** What is planned where nobody advises anything. */
export const noAdvice: JoinedAdvice = joinAdvice([]);

/** Joins what advisers say: the most instances, the first reason to leave, the longest hold, the soonest look. */
export function joinAdvice(answers: readonly Advice[]): JoinedAdvice {
  let desired: number | undefined;
  const leaving = new Map<string, Leaving>();
  const unfit = new Set<string>();
  const unseen = new Set<string>();
  const lost = new Set<string>();
  const held = new Map<string, number>();
  let busy = false;
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const answer of answers) {
    if (answer.desired !== undefined) desired = Math.max(desired ?? 0, answer.desired);
    for (const [id, why] of answer.leaving ?? []) {
      const known = leaving.get(id);
      if (known === undefined || (why.byMs ?? Infinity) < (known.byMs ?? Infinity)) leaving.set(id, why);
    }
    for (const id of answer.unfit ?? []) unfit.add(id);
    for (const id of answer.unseen ?? []) unseen.add(id);
    for (const id of answer.lost ?? []) lost.add(id);
    for (const [id, untilMs] of answer.held ?? []) held.set(id, Math.max(untilMs, held.get(id) ?? 0));
    busy ||= answer.busy === true;
    lookAgainMs = Math.min(lookAgainMs, answer.lookAgainMs ?? Number.POSITIVE_INFINITY);
  }
  return { desired, leaving, unfit, unseen, lost, held, busy, lookAgainMs };
}
