import type { LoadBalancing } from "../../registry/balancing.ts";
import type { JsonObject } from "../proto/json.ts";
import { envoyAddress } from "./address.ts";

/** Where calls may go. */
export interface Endpoint {
  readonly id: string;
  /** "127.0.0.1:4711" or "unix:/path". */
  readonly address: string;
  /** Takes the calls of its sessions, but no new ones. */
  readonly draining: boolean;
  /** It was quarantined, and gets a few calls to prove itself by. Default false. */
  readonly onProbation?: boolean;
  /** Name, zone and speed of its host. Default "", "" and 1. */
  readonly host?: string;
  readonly zone?: string;
  readonly speed?: number;
  /** When it was started, ms since 1970. Default: just now. */
  readonly startedAtMs?: number;
}

/** Who is on probation gets one call where another gets this many. */
const PROBATION_DIVISOR = 10;
/** Part of a zone that no Envoy is in. */
const PROBATION_PART = "on-probation";
/** Envoy's limit. */
const MOST_PRIORITIES = 128;

/** The endpoints of a cluster, in the order of their ids, so that the same set is the same resource. */
export function endpoints(
  cluster: string,
  list: readonly Endpoint[],
  policy: LoadBalancing = "round_robin",
): JsonObject {
  const sorted = [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { cluster_name: cluster, endpoints: groups(sorted, policy) };
}

function groups(sorted: readonly Endpoint[], policy: LoadBalancing): JsonObject[] {
  switch (policy) {
    case "none":
      return byAge(sorted);
    case "zone_aware":
      return byZone(sorted).map(([zone, members]) => ({
        locality: isLeftToProbation(members) ? { zone, sub_zone: PROBATION_PART } : { zone },
        ...group(members, sorted),
      }));
    case "locality_weighted":
      return byZone(sorted).map(([zone, members]) => ({
        locality: { zone },
        load_balancing_weight: weightOf(members),
        ...group(members),
      }));
    default:
      return [group(sorted)];
  }
}

/** @param others Between whom calls are shared by weight. */
function group(members: readonly Endpoint[], others = members): JsonObject {
  const weighted = others.some(({ onProbation }) => onProbation);
  return {
    lb_endpoints: members.map(({ address, draining, onProbation }) => ({
      endpoint: { address: envoyAddress(address) },
      health_status: draining ? "DRAINING" : "HEALTHY",
      ...(weighted ? { load_balancing_weight: onProbation ? 1 : PROBATION_DIVISOR } : {}),
    })),
  };
}

/** A rank for each, the oldest first: a rank gets calls only while nobody of a better one is there. */
function byAge(sorted: readonly Endpoint[]): JsonObject[] {
  if (sorted.length === 0) return [group([])];
  const age = ({ startedAtMs = Number.MAX_VALUE }: Endpoint) => startedAtMs;
  const oldest = [...sorted].sort((a, b) => age(a) - age(b));
  const last = MOST_PRIORITIES - 1;
  const ranks: Endpoint[][] = [];
  let rank: Endpoint[] = [];
  for (const endpoint of oldest) {
    rank.push(endpoint);
    // One on probation has not the calls of a rank to itself.
    if (endpoint.onProbation === true || ranks.length === last) continue;
    ranks.push(rank);
    rank = [];
  }
  if (rank.length > 0) ranks.push(rank);
  return ranks.map((members, priority) => ({ priority, ...group(members) }));
}

function byZone(sorted: readonly Endpoint[]): [string, Endpoint[]][] {
  const zones = new Map<string, Endpoint[]>();
  for (const endpoint of sorted) {
    const { zone = "" } = endpoint;
    const members = zones.get(zone);
    if (members === undefined) zones.set(zone, [endpoint]);
    else members.push(endpoint);
  }
  return [...zones].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Whether nobody of a zone takes calls but those on probation, who would get all of the zone's. Under another name it is no Envoy's own
 * zone: the Envoys in it choose among all instances, by their weights.
 */
function isLeftToProbation(members: readonly Endpoint[]): boolean {
  const takers = members.filter(({ draining }) => !draining);
  return takers.length > 0 && takers.every(({ onProbation }) => onProbation);
}

/** A zone's part of the calls: the speed of those of its instances that take calls, in hundredths; who is on probation counts for a tenth. */
function weightOf(members: readonly Endpoint[]): number {
  const speeds = members.map(({ draining, onProbation, speed = 1 }) =>
    draining ? 0 : onProbation ? speed / PROBATION_DIVISOR : speed,
  );
  const sum = speeds.reduce((all, speed) => all + speed, 0);
  return Math.max(1, Math.round(100 * sum));
}
