import type { Report, Share, Subscribe } from "#proto/rouse/meshconfig/v1/endpoints.ts";
import type { Callers, EndpointLoad, Load, Sessions } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { clusterName, parseClusterName } from "../../registry/target.ts";

/** Who disconnected may go on with its calls and come back, here or elsewhere: so long they count as open, ms. */
const GRACE_MS = 10_000;

/**
 * An instance that tells its sessions is waited for so long, ms: it makes no calls on this stream, and one that is frozen tells
 * nothing more.
 */
const SESSIONS_MS = 3_000;

/** One caller's calls to instances. */
export interface DirectSource {
  /** It makes no direct calls, and tells its sessions only. */
  readonly silent: boolean;
  /** Where it is; empty: that is not known. */
  readonly zone: string;
  /** Number of the last response that named a cluster, by cluster. */
  readonly named: Map<string, number>;
  latest: Report;
  /** Up to which the calls are known, ms since 1970. */
  untilMs: number;
}

/** What callers that go past Envoy say of their calls: the counterpart of Envoys' load reports. */
export class DirectLoads {
  readonly #sources = new Set<DirectSource>();
  /** What disconnected, and until when it counts, ms of `performance.now()`. */
  readonly #lost = new Map<DirectSource, number>();
  /** Begun since they were last taken. */
  #begun = new Map<string, Load>();
  /** The same by cluster and zone of the caller. */
  #zones = new Map<string, Map<string, number>>();

  /** Callers that are connected. */
  get size(): number {
    return this.#sources.size;
  }

  /** @param who What it said of itself: whether it is an instance that asks for its fellows, and its zone. */
  connect(nowMs: number, who: Partial<Pick<Subscribe, "members" | "zone">> = {}): DirectSource {
    const { members: silent = false, zone = "" } = who;
    const latest: Report = { applied: 0, loads: [], sessions: undefined };
    const source: DirectSource = { silent, zone, named: new Map(), latest, untilMs: nowMs };
    this.#sources.add(source);
    return source;
  }

  /** It is being told of these clusters. */
  told(source: DirectSource, number: number, shares: readonly Share[]): void {
    for (const { cluster } of shares) source.named.set(cluster, number);
  }

  report(source: DirectSource, report: Report, nowMs: number): void {
    source.latest = report;
    source.untilMs = nowMs;
    for (const { cluster, address, issued, errors } of report.loads) {
      if (issued + errors === 0) continue;
      const load = loadOf(this.#begun, cluster);
      if (load === undefined) continue;
      load.issued += issued;
      const endpoint = endpointOf(load, address);
      endpoint.issued += issued;
      endpoint.errors += errors;
      if (source.zone !== "" && issued > 0) this.#from(cluster, source.zone, issued);
    }
  }

  #from(cluster: string, zone: string, issued: number): void {
    const zones = this.#zones.get(cluster) ?? new Map<string, number>();
    zones.set(zone, (zones.get(zone) ?? 0) + issued);
    this.#zones.set(cluster, zones);
  }

  /** It is gone; calls that it had open may still be. */
  disconnect(source: DirectSource): void {
    if (!this.#sources.delete(source)) return;
    if (source.latest.loads.some(({ inProgress }) => inProgress > 0))
      this.#lost.set(source, performance.now() + GRACE_MS);
  }

  /** Joins them with what Envoys reported. */
  join(reported: { loads: Load[]; callers: readonly Callers[]; untilMs: number }): {
    loads: Load[];
    callers: Callers[];
    untilMs: number;
    sessions: Sessions[];
  } {
    const sums = new Map<string, Load>();
    for (const load of reported.loads) if (load.target) sums.set(clusterName(load.target), load);
    const begun = this.#begun;
    this.#begun = new Map();
    for (const [cluster, { issued, endpoints }] of begun) {
      const load = loadOf(sums, cluster);
      if (load === undefined) continue;
      load.issued += issued;
      for (const { address, issued: own, errors } of endpoints) {
        const endpoint = endpointOf(load, address);
        endpoint.issued += own;
        endpoint.errors += errors;
      }
    }
    for (const { latest } of this.#counting()) {
      for (const { cluster, address, inProgress } of latest.loads) {
        const load = inProgress > 0 ? loadOf(sums, cluster) : undefined;
        if (load === undefined) continue;
        load.inProgress += inProgress;
        endpointOf(load, address).inProgress += inProgress;
      }
    }
    const sources = [...this.#sources];
    const sessions = sources.flatMap(({ latest }) => latest.sessions ?? []);
    const leastMs = reported.untilMs - SESSIONS_MS;
    const known = sources.map(({ silent, untilMs }) => (silent ? Math.max(untilMs, leastMs) : untilMs));
    const untilMs = Math.min(reported.untilMs, ...known);
    const zones = this.#zones;
    this.#zones = new Map();
    const direct = [...zones].flatMap(([cluster, byZone]) => {
      const target = parseClusterName(cluster);
      return target === undefined ? [] : [...byZone].map(([zone, issued]) => ({ target, zone, issued }));
    });
    return { loads: [...sums.values()], callers: [...reported.callers, ...direct], untilMs, sessions };
  }

  /** Nobody calls the cluster directly any more, nor will: all know that it is not theirs, and have no call open on it. */
  left(cluster: string): boolean {
    for (const { latest, named } of this.#counting()) {
      if (latest.applied <= (named.get(cluster) ?? -1)) return false;
      if (latest.loads.some((load) => load.cluster === cluster && load.inProgress > 0)) return false;
    }
    return true;
  }

  #counting(): DirectSource[] {
    const now = performance.now();
    for (const [source, untilMs] of this.#lost) if (now >= untilMs) this.#lost.delete(source);
    return [...this.#sources, ...this.#lost.keys()];
  }
}

function loadOf(loads: Map<string, Load>, cluster: string): Load | undefined {
  const known = loads.get(cluster);
  if (known !== undefined) return known;
  const target = parseClusterName(cluster);
  if (target === undefined) return undefined;
  const load: Load = { target, inProgress: 0, issued: 0, endpoints: [] };
  loads.set(cluster, load);
  return load;
}

function endpointOf({ endpoints }: Load, address: string): EndpointLoad {
  const known = endpoints.find((endpoint) => endpoint.address === address);
  if (known !== undefined) return known;
  const endpoint = { address, inProgress: 0, issued: 0, errors: 0 };
  endpoints.push(endpoint);
  return endpoint;
}
