import { type Overlay, overlay, overlayOf } from "./layered.ts";
import type { Kind } from "./resource.ts";
import type { Shared, Snapshot } from "./snapshot.ts";
import type { Accepted } from "./subscription.ts";

/** What an Envoy that comes back has and names, as against what all Envoys have in common. */
export interface Resumed {
  readonly accepted: Overlay<Accepted>;
  readonly names: Overlay<true>;
  /** It has them, and the snapshot lacks them. */
  readonly brought: readonly string[];
  /** It names them, and does not have them. */
  readonly lacking: readonly string[];
  /** Number of the snapshot up to which all is as in `accepted`, but for what differs there; 0: everything has to be looked at. */
  readonly lookedAt: number;
}

interface Known {
  readonly names: readonly string[];
  readonly number: number;
  readonly shared: Shared;
  readonly resumed: Resumed;
}

/** What was made last of an Envoy's versions: hundreds may come back with the same ones (proto/repeated.ts). */
const known = new WeakMap<ReadonlyMap<string, string>, Known>();

/** @param names May have a star among them, which is the wildcard's and no name. */
export function resumedOf(
  kind: Kind,
  versions: ReadonlyMap<string, string>,
  names: readonly string[],
  snapshot: Snapshot,
): Resumed {
  const { number } = snapshot;
  const shared = snapshot.shared?.(kind);
  const last = known.get(versions);
  if (last?.shared === shared && last?.number === number && equal(last.names, names)) return last.resumed;
  const resumed = compare(versions, names, snapshot.resources[kind], shared, snapshot);
  if (shared !== undefined) known.set(versions, { names, number, shared, resumed });
  return resumed;
}

function compare(
  versions: ReadonlyMap<string, string>,
  names: readonly string[],
  all: Snapshot["resources"][Kind],
  shared: Shared | undefined,
  { touchedSince }: Snapshot,
): Resumed {
  const same = (of: Accepted, version: string) => of.version === version;
  const made = (name: string, version: string): Accepted => {
    const current = all.get(name);
    return current?.version === version ? current : { version, since: 0 };
  };
  const accepted = overlay(versions, shared?.contents ?? new Map<string, Accepted>(), same, made);
  const fits = shared !== undefined && accepted.base === shared.contents;
  // The rest is as what all share, of which is known what has changed since.
  const touched = fits ? touchedSince?.(shared.number) : undefined;
  const named = new Map<string, true>();
  for (const name of names) if (name !== "*") named.set(name, true);
  const suspect = touched === undefined ? versions.keys() : new Set([...touched, ...accepted.own.keys()]);
  return {
    accepted,
    names: overlayOf(named, shared?.names ?? new Map<string, true>()),
    brought: [...suspect].filter((name) => versions.has(name) && !all.has(name)),
    lacking: names.filter((name) => !versions.has(name)),
    lookedAt: touched === undefined ? 0 : (shared?.number ?? 0),
  };
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, n) => name === b[n]));
}
