import type { Callers, EndpointLoad, Load } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { parseClusterName } from "../../registry/target.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { LoadStatsRequest } from "../proto/wire.ts";
import { toldAddress } from "../resources/address.ts";

/** A report says when its interval began only by its length; so much may have passed on the way, ms. */
const TRANSIT_MS = 50;

interface ClusterLoad {
  readonly inProgress: number;
  /** Calls open at the end of the interval, by address of the instance. */
  readonly open: ReadonlyMap<string, number>;
  /** When the report's interval began at the latest, ms of `performance.now()`. */
  readonly fromMs: number;
}

interface Sum {
  inProgress: number;
  issued: number;
  readonly endpoints: Map<string, EndpointLoad>;
  /** Calls that began, by zone of the Envoy. */
  readonly zones: Map<string, number>;
}

/** The latest load report of each Envoy, by node id. */
export class Loads {
  readonly #nodes = new Map<string, ReadonlyMap<string, ClusterLoad>>();
  /** Zone of each Envoy. */
  readonly #zones = new Map<string, string>();
  /** Up to when each Envoy has reported, ms since 1970. */
  readonly #untilMs = new Map<string, number>();
  /** Envoys that have reported since loads were last taken. */
  readonly #fresh = new Set<string>();
  /** What began and failed since they were last taken, by cluster. */
  #begun = new Map<string, Sum>();

  /** Says in which zone an Envoy is; "": in none. */
  stands(node: string, zone: string): void {
    this.#zones.set(node, zone);
  }

  report(node: string, { cluster_stats }: LoadStatsRequest): void {
    const now = performance.now();
    const clusters = new Map<string, ClusterLoad>();
    for (const stats of cluster_stats) {
      const { cluster_name: name, load_report_interval: interval } = stats;
      let inProgress = 0;
      const open = new Map<string, number>();
      for (const locality of stats.upstream_locality_stats) {
        inProgress += locality.total_requests_in_progress ?? 0;
        const issued = locality.total_issued_requests ?? 0;
        if (issued > 0) this.#begin(node, sumOf(this.#begun, name), issued);
        for (const endpoint of locality.upstream_endpoint_stats) {
          const address = endpoint.address && toldAddress(endpoint.address);
          if (address === undefined) continue;
          const now = endpoint.total_requests_in_progress ?? 0;
          if (now > 0) open.set(address, (open.get(address) ?? 0) + now);
          const { total_issued_requests: begun = 0, total_error_requests: errors = 0 } = endpoint;
          if (begun + errors === 0) continue;
          const sum = endpointOf(sumOf(this.#begun, name), address);
          sum.issued += begun;
          sum.errors += errors;
        }
      }
      const lengthMs = (interval?.seconds ?? 0) * 1_000 + (interval?.nanos ?? 0) / 1e6;
      clusters.set(name, { inProgress, open, fromMs: now - lengthMs - TRANSIT_MS });
    }
    this.#nodes.set(node, clusters);
    this.#untilMs.set(node, steadyMs() - TRANSIT_MS);
    this.#fresh.add(node);
  }

  #begin(node: string, sum: Sum, issued: number): void {
    sum.issued += issued;
    const zone = this.#zones.get(node) ?? "";
    if (zone !== "") sum.zones.set(zone, (sum.zones.get(zone) ?? 0) + issued);
  }

  /** The Envoy reports no more; what it said counts no longer. */
  forget(node: string): void {
    this.#zones.delete(node);
    this.#nodes.delete(node);
    this.#untilMs.delete(node);
    this.#fresh.delete(node);
  }

  /** Each of the Envoys (at least one) has reported since loads were last taken. */
  complete(nodes: readonly string[]): boolean {
    return nodes.length > 0 && nodes.every((node) => this.#fresh.has(node));
  }

  /** The Envoy had no call open on the cluster at the end of an interval that began after the moment. */
  quietSince(node: string, cluster: string, momentMs: number): boolean {
    const load = this.#nodes.get(node)?.get(cluster);
    return load !== undefined && load.inProgress === 0 && load.fromMs >= momentMs;
  }

  /**
   * Sums over all Envoys, of the clusters that had any call since the last time.
   *
   * @returns also until when each of the given Envoys has reported, ms since 1970; 0 when one never did.
   */
  take(nodes: readonly string[]): { loads: Load[]; callers: Callers[]; untilMs: number } {
    const untilMs = Math.min(...nodes.map((node) => this.#untilMs.get(node) ?? 0));
    this.#fresh.clear();
    const sums = this.#begun;
    this.#begun = new Map();
    for (const clusters of this.#nodes.values()) {
      for (const [name, { inProgress, open }] of clusters) {
        if (inProgress === 0) continue;
        const sum = sumOf(sums, name);
        sum.inProgress += inProgress;
        for (const [address, count] of open) endpointOf(sum, address).inProgress += count;
      }
    }
    const loads = [...sums].flatMap(([name, { inProgress, issued, endpoints }]) => {
      const target = parseClusterName(name);
      return target === undefined ? [] : [{ target, inProgress, issued, endpoints: [...endpoints.values()] }];
    });
    const callers = [...sums].flatMap(([name, { zones }]) => {
      const target = parseClusterName(name);
      return target === undefined ? [] : [...zones].map(([zone, issued]) => ({ target, zone, issued }));
    });
    return { loads, callers, untilMs };
  }
}

function sumOf(sums: Map<string, Sum>, name: string): Sum {
  const sum = sums.get(name) ?? { inProgress: 0, issued: 0, endpoints: new Map(), zones: new Map() };
  sums.set(name, sum);
  return sum;
}

function endpointOf({ endpoints }: Sum, address: string): EndpointLoad {
  const sum = endpoints.get(address) ?? { address, inProgress: 0, issued: 0, errors: 0 };
  endpoints.set(address, sum);
  return sum;
}
