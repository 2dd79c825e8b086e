import { hourlyCost } from "../../registry/hourly-cost.ts";
import { type AffinityRule, subjectOf } from "../../registry/placement-rules.ts";
import { attribute, hasLabel, type PlaceableHost } from "./host.ts";
import { type Needs, spreadsOf, versionOf } from "./needs.ts";

/** The names of the terms, in the order in which they are added. */
export type TermName = "fit" | "apart" | "affinity" | "prefer" | "callers" | "prepared" | "blame" | "failed";

/** One reason for or against a host. */
export interface Term {
  readonly name: TermName;
  /** Adds to the score; above 0 speaks for the host. */
  readonly score: number;
  /** A few words: "zone eu-1 has 2, others 1". */
  readonly why: string;
}

/**
 * How much the terms count, for values between −1 and 1. A wish of the contract weighs 2 at its full weight of 100, so that it
 * wins against packing, which reaches from 0 to 1; what went wrong lately wins against both.
 */
export const WEIGHTS = {
  fit: 1,
  wish: 2,
  prefer: 2,
  callers: 0.5,
  prepared: 0.25,
  blame: 3,
  failed: 6,
} as const;

/**
 * How full the host gets: Nomad's bin packing (nomad/structs/funcs.go, ScoreFitBinPack), 20 − (10^freeCpu + 10^freeMemory) with the free
 * shares after the placement, held between 0 and 18, over 18. Full hosts score high, so that others can be empty.
 *
 * Takes each power apart as 10^(free before) · 10^(−needs): the first changes with the host, the second with the request, so
 * that an index need not compute powers.
 */
export function packing(
  cpuBefore: number,
  memoryBefore: number,
  cpuNeeds: number,
  memoryNeeds: number,
): number {
  const score = 20 - (cpuBefore * cpuNeeds + memoryBefore * memoryNeeds);
  return Math.min(Math.max(score, 0), 18) / 18;
}

/** 10^(free share) of a capacity of which some is used. */
export function powerOfFree(used: number, capacity: number): number {
  return 10 ** (1 - used / capacity);
}

/** 10^(−share) of a capacity that is needed. */
export function powerOfNeeds(needed: number, capacity: number): number {
  return 10 ** -(needed / capacity);
}

/**
 * −d / (1 + d) for d instances more than where there are fewest: the skew of Kubernetes' pod topology spread (matching pods in
 * the domain less the global minimum, over domains that can take one), held between 0 and −1.
 */
export function crowding(instances: number, fewest: number): number {
  const more = instances - fewest;
  return more === 0 ? 0 : -more / (1 + more);
}

/** What a comparison of all hosts that fit must know before one can be scored. */
export interface Compared {
  /** Instances by value of the attribute, for each spread rule, over all hosts. */
  readonly instances: readonly ReadonlyMap<string, number>[];
  /** The fewest at any value that a fitting host has, for each spread rule. */
  readonly fewest: readonly number[];
  /** The highest speed of a fitting host. */
  readonly fastest: number;
  /** The highest cost per hour of the instance on a fitting host. */
  readonly dearest: number;
}

/** Counts the version's instances by the values that its spread rules name. */
export function countSpread(needs: Needs, hosts: Iterable<PlaceableHost>): Map<string, number>[] {
  const spreads = spreadsOf(needs);
  const counts = spreads.map(() => new Map<string, number>());
  const version = versionOf(needs);
  if (version === undefined) return counts;
  for (const host of hosts) {
    const here = host.versions?.get(version) ?? 0;
    if (here === 0) continue;
    spreads.forEach(({ over }, n) => {
      const value = attribute(host, over);
      counts[n]?.set(value, (counts[n].get(value) ?? 0) + here);
    });
  }
  return counts;
}

/** Looks at all hosts that fit, for the terms that compare. */
export function compare(
  needs: Needs,
  fitting: readonly PlaceableHost[],
  instances: readonly ReadonlyMap<string, number>[],
): Compared {
  const fewest = spreadsOf(needs).map(({ over }, n) => {
    let least = Number.POSITIVE_INFINITY;
    for (const host of fitting) least = Math.min(least, instances[n]?.get(attribute(host, over)) ?? 0);
    return least;
  });
  let fastest = 0;
  let dearest = 0;
  for (const host of fitting) {
    fastest = Math.max(fastest, host.speed ?? 1);
    dearest = Math.max(dearest, hourlyCost(needs, host));
  }
  return { instances, fewest, fastest, dearest };
}

/** The terms that speak for and against a host that fits; those of 0 are left out, but for the first. */
export function termsOf(needs: Needs, host: PlaceableHost, compared: Compared): Term[] {
  const terms: Term[] = [{ name: "fit", ...fitTerm(needs, host) }];
  const add = (name: TermName, score: number, why: string) => {
    if (score !== 0) terms.push({ name, score, why });
  };
  spreadsOf(needs).forEach((rule, n) => {
    const value = attribute(host, rule.over);
    const here = compared.instances[n]?.get(value) ?? 0;
    const fewest = compared.fewest[n] ?? 0;
    const where = rule.over === "host" ? "it" : `${rule.over} ${value || "(none)"}`;
    add("apart", wish(rule) * crowding(here, fewest), `${where} has ${here}, others ${fewest}`);
  });
  for (const rule of needs.rules?.affinity ?? [])
    add("affinity", affinityScore(rule, host, 1), `near ${subjectOf(rule)}`);
  for (const rule of needs.rules?.antiAffinity ?? [])
    add("affinity", affinityScore(rule, host, -1), `beside ${subjectOf(rule)}`);
  add("prefer", preferScore(needs, host, compared), `${needs.rules?.prefer} hosts are preferred`);
  const share = needs.callers?.get(attribute(host, "zone")) ?? 0;
  add("callers", WEIGHTS.callers * share, `${Math.round(share * 100)} % of its calls come from this zone`);
  add("prepared", preparedScore(needs, host), "its bundle or image is there");
  add("blame", -WEIGHTS.blame * (host.blame ?? 0), "instances failed there lately");
  add("failed", failedScore(needs, host), "a start of it has just failed there");
  return terms;
}

/**
 * The sum of the terms. Fit is added last: the others are mostly 0 and the same for many hosts.
 */
export function total(terms: readonly Term[]): number {
  let wishes = 0;
  for (const { score } of terms.slice(1)) wishes += score;
  return (terms[0]?.score ?? 0) + wishes;
}

function fitTerm(needs: Needs, host: PlaceableHost): { score: number; why: string } {
  const score = packing(
    powerOfFree(host.used.cpu, host.cpu),
    powerOfFree(host.used.memory, host.memory),
    powerOfNeeds(needs.cpu, host.cpu),
    powerOfNeeds(needs.memory, host.memory),
  );
  const [cpu, memory] = [
    share(host.used.cpu + needs.cpu, host.cpu),
    share(host.used.memory + needs.memory, host.memory),
  ];
  return {
    score: WEIGHTS.fit * score,
    why: `${cpu} of its cores and ${memory} of its memory would be given away`,
  };
}

function share(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`;
}

/** What a rule's weight of 1 to 100 comes to. */
export function wish({ weight }: { readonly weight: number }): number {
  return (WEIGHTS.wish * weight) / 100;
}

/** Matching weight of one rule; strict rules have filtered already, and weigh nothing. */
function affinityScore(rule: AffinityRule, host: PlaceableHost, sign: 1 | -1): number {
  return !rule.strict && matches(rule, host) ? sign * wish(rule) : 0;
}

/** Whether the host has the label, or an instance of the service. */
export function matches({ label, service }: AffinityRule, host: PlaceableHost): boolean {
  if (label !== undefined) return hasLabel(host, label);
  return service !== undefined && (host.services?.get(service) ?? 0) > 0;
}

function preferScore(needs: Needs, host: PlaceableHost, { fastest, dearest }: Compared): number {
  switch (needs.rules?.prefer) {
    case "fast":
      return WEIGHTS.prefer * speediness(host.speed ?? 1, fastest);
    case "cheap":
      return WEIGHTS.prefer * cheapness(hourlyCost(needs, host), dearest);
    default:
      return 0;
  }
}

/** Speed as a share of the fastest host's. */
export function speediness(speed: number, fastest: number): number {
  return speed / fastest;
}

/** How much less an instance costs than on the dearest host, as a share; 1 where all is free. */
export function cheapness(cost: number, dearest: number): number {
  return dearest === 0 ? 1 : 1 - cost / dearest;
}

/** Kubernetes' ImageLocality, for what counts here: there or not. */
function preparedScore(needs: Needs, host: PlaceableHost): number {
  const { artifact } = needs;
  return artifact !== undefined && host.prepared?.has(artifact) === true ? WEIGHTS.prepared : 0;
}

/** Nomad's reschedule penalty (scheduler/rank.go, NodeReschedulingPenaltyIterator): −1 where it failed before. */
function failedScore(needs: Needs, host: PlaceableHost): number {
  return needs.failedOn?.has(host.name) === true ? -WEIGHTS.failed : 0;
}
