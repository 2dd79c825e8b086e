import { firstLine } from "../attempts.ts";

/** One thing that was tried or ran: a version on a host, and how it went. */
export interface Outcome {
  /** "<service>@<version>". */
  readonly version: string;
  readonly host: string;
  readonly failed: boolean;
  /** Why, as a clause; empty when it did not fail. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** Who is at fault, and why, as a clause. */
export interface Blame {
  readonly hosts: ReadonlyMap<string, string>;
  readonly versions: ReadonlyMap<string, string>;
}

/** Outcomes older than this count no longer, ms. */
export const BLAME_WINDOW_MS = 300_000;
/** So many versions must fail on a host before it is blamed: two may fail by chance, or one by the other. */
const HOST_VERSIONS = 3;
/** On so many hosts a version must fail before it is blamed. */
const VERSION_HOSTS = 2;
/** So large a share of what was tried must have failed. */
const HIT_RATIO = 0.5;

interface Group {
  readonly kind: "version" | "host";
  readonly name: string;
  /** Pairs that were tried: "<version> <host>". */
  readonly pairs: Set<string>;
}

/**
 * Blames versions or hosts by where failures cluster: many versions that fail on one host speak against the host, one version that
 * fails on several hosts speaks against the version. A single failure blames nobody. Pure, and independent of the order.
 *
 * The way is SCORE's (Kompella, Yates, Greenberg, Snoeren: IP Fault Localization Via Risk Modeling, NSDI 2005): what may be at fault is
 * a group of things that fail together; of the groups whose hit ratio (failed of all in it) is high enough, the one that explains most is
 * blamed, what it explains is taken away, and so on. Where a version and a host explain as much, the version is blamed: others then
 * go on using the host.
 *
 * @param outcomes - Of a pair of version and host the newest counts.
 */
export function blame(outcomes: readonly Outcome[], nowMs: number): Blame {
  const newest = new Map<string, Outcome>();
  for (const outcome of outcomes) {
    if (nowMs - outcome.atMs > BLAME_WINDOW_MS) continue;
    const pair = pairOf(outcome);
    const known = newest.get(pair);
    if (known === undefined || isNewer(outcome, known)) newest.set(pair, outcome);
  }
  const groups = groupsOf(newest.values());
  const unexplained = new Set([...newest].filter(([, { failed }]) => failed).map(([pair]) => pair));
  const failed = new Set(unexplained);
  const hosts = new Map<string, string>();
  const versions = new Map<string, string>();
  for (;;) {
    const best = mostTelling(groups, failed, unexplained);
    if (best === undefined) return { hosts, versions };
    const hits = [...best.pairs].filter((pair) => failed.has(pair));
    (best.kind === "host" ? hosts : versions).set(best.name, tell(best, hits, newest));
    for (const pair of hits) unexplained.delete(pair);
    groups.delete(`${best.kind} ${best.name}`);
  }
}

function groupsOf(outcomes: Iterable<Outcome>): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const outcome of outcomes) {
    for (const kind of ["version", "host"] as const) {
      const name = outcome[kind];
      const group = groups.get(`${kind} ${name}`) ?? { kind, name, pairs: new Set() };
      groups.set(`${kind} ${name}`, group);
      group.pairs.add(pairOf(outcome));
    }
  }
  return groups;
}

/** The group that explains most of what is not explained yet; ties to versions, then by name. */
function mostTelling(
  groups: ReadonlyMap<string, Group>,
  failed: ReadonlySet<string>,
  unexplained: ReadonlySet<string>,
): Group | undefined {
  let best: { group: Group; explains: number } | undefined;
  for (const group of groups.values()) {
    let hits = 0;
    let explains = 0;
    for (const pair of group.pairs) {
      if (failed.has(pair)) hits++;
      if (unexplained.has(pair)) explains++;
    }
    const least = group.kind === "host" ? HOST_VERSIONS : VERSION_HOSTS;
    if (explains < least || hits / group.pairs.size < HIT_RATIO) continue;
    if (
      best === undefined ||
      explains > best.explains ||
      (explains === best.explains && goesBefore(group, best.group))
    )
      best = { group, explains };
  }
  return best?.group;
}

function goesBefore(a: Group, b: Group): boolean {
  return a.kind === b.kind ? a.name < b.name : a.kind === "version";
}

function tell(group: Group, hits: readonly string[], newest: ReadonlyMap<string, Outcome>): string {
  const examples = hits
    .map((pair) => newest.get(pair))
    .filter((outcome) => outcome !== undefined)
    .sort((a, b) => b.atMs - a.atMs || (pairOf(a) < pairOf(b) ? -1 : 1));
  const [latest] = examples;
  const last =
    latest === undefined
      ? ""
      : `; the latest: ${group.kind === "host" ? latest.version : `on ${latest.host}`}, ${firstLine(latest.reason)}`;
  return group.kind === "host"
    ? `${hits.length} of the ${group.pairs.size} versions that it was given failed on it${last}`
    : `it failed on ${hits.length} of the ${group.pairs.size} hosts that were tried${last}`;
}

/** The same moment twice: what failed counts, so that the order does not matter. */
function isNewer(a: Outcome, b: Outcome): boolean {
  if (a.atMs !== b.atMs) return a.atMs > b.atMs;
  if (a.failed !== b.failed) return a.failed;
  return a.reason < b.reason;
}

function pairOf({ version, host }: Outcome): string {
  return `${version} ${host}`;
}
