import type { LeftOut } from "#proto/rouse/agent/v1/agent.ts";
import { addressKey, versionKey } from "../../registry/target.ts";

interface Version {
  readonly service: string;
  readonly version: string;
}

interface Told extends Version {
  readonly address: string;
  /** When it was left out, ms since 1970, the latest last. */
  readonly atMs: readonly number[];
  /** Until when at the longest; in the past: it is called again. */
  readonly untilMs: number;
  readonly why: string;
}

/** An Envoy that leaves an instance out now. */
export interface Ejection {
  /** Host of the Envoy. */
  readonly host: string;
  /** How often it did so lately. */
  readonly times: number;
  /** Why the last time, to go after "left it out". */
  readonly why: string;
  /** When it did so last, ms since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** An instance of `version` on `instanceHost` that the Envoy of `host` leaves out. */
export interface Left {
  readonly host: string;
  readonly version: string;
  readonly instanceHost: string;
  readonly address: string;
}

/** Who leaves out instances of so many versions, on so many other hosts, speaks of its own network. */
const SELF_VERSIONS = 3;
const SELF_HOSTS = 2;

/** Which Envoys leave out which instances, as the agents of their hosts tell. Nothing here must survive: a new stream tells all. */
export class Ejections {
  /** By host of the Envoy, then by version and address. */
  readonly #told = new Map<string, Map<string, Told>>();

  /** Takes what the agent of a host says of its Envoy. @returns the versions that it is about. */
  heard(host: string, leftOut: readonly LeftOut[], nowMs: number): Version[] {
    if (leftOut.length === 0) return [];
    const told = this.#told.get(host) ?? new Map<string, Told>();
    this.#told.set(host, told);
    for (const { service, version, address, agoMs, outForMs, why } of leftOut) {
      const atMs = agoMs.map((ago) => nowMs - ago);
      told.set(addressKey({ service, version }, address), {
        ...{ service, version, address, why, atMs },
        untilMs: nowMs + outForMs,
      });
    }
    for (const [key, { untilMs }] of told) if (untilMs < nowMs) told.delete(key);
    return leftOut.map(({ service, version }) => ({ service, version }));
  }

  /**
   * Which Envoys leave the instance at the address out now.
   *
   * @param sinceMs What was before is forgiven, or was another instance's.
   */
  of(version: Version, address: string, sinceMs: number, nowMs: number): Ejection[] {
    const key = addressKey(version, address);
    return [...this.#told].flatMap(([host, told]) => {
      const one = told.get(key);
      if (one === undefined || one.untilMs <= nowMs) return [];
      const { atMs, why, untilMs } = one;
      const times = atMs.filter((time) => time > sinceMs);
      const last = times.at(-1);
      return last === undefined ? [] : [{ host, times: times.length, why, sinceMs: last, untilMs }];
    });
  }

  /** All that is left out now. @param hostOf Host of the instance at an address; undefined: it is not known. */
  now(nowMs: number, hostOf: (version: Version, address: string) => string | undefined): Left[] {
    return [...this.#told].flatMap(([host, told]) =>
      [...told.values()].flatMap((one) => {
        const instanceHost = one.untilMs > nowMs ? hostOf(one, one.address) : undefined;
        if (instanceHost === undefined) return [];
        return [{ host, version: versionKey(one), instanceHost, address: one.address }];
      }),
    );
  }

  reset(): void {
    this.#told.clear();
  }
}

/**
 * Hosts whose Envoys leave out so much that nobody else does, of so many versions and on so many other hosts, that their own network
 * is at fault: what they say is watched only. Pure.
 */
export function doubtful(left: readonly Left[]): ReadonlySet<string> {
  const witnesses = new Map<string, Set<string>>();
  const keyOfLeft = ({ version, address }: Left) => `${version} ${address}`;
  for (const one of left) {
    const hosts = witnesses.get(keyOfLeft(one)) ?? new Set();
    witnesses.set(keyOfLeft(one), hosts.add(one.host));
  }
  const alone = new Map<string, Left[]>();
  for (const one of left) {
    if (one.instanceHost === one.host || witnesses.get(keyOfLeft(one))?.size !== 1) continue;
    const known = alone.get(one.host) ?? [];
    alone.set(one.host, known);
    known.push(one);
  }
  const isDoubtful = (all: readonly Left[]) =>
    new Set(all.map(({ version }) => version)).size >= SELF_VERSIONS &&
    new Set(all.map(({ instanceHost }) => instanceHost)).size >= SELF_HOSTS;
  return new Set([...alone].filter(([, all]) => isDoubtful(all)).map(([host]) => host));
}
