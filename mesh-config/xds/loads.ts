import type { Load } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { parseClusterName } from "../../registry/target.ts";
import type { LoadStatsRequest } from "../proto/wire.ts";

/** A report says when its interval began only by its length; so much may have passed on the way, ms. */
const TRANSIT_MS = 50;

interface ClusterLoad {
  readonly inProgress: number;
  /** When the report's interval began at the latest, ms of `performance.now()`. */
  readonly fromMs: number;
}

/** The latest load report of each Envoy, by node id. */
export class Loads {
  readonly #nodes = new Map<string, ReadonlyMap<string, ClusterLoad>>();
  /** Envoys that have reported since loads were last taken, with the time up to which they did, ms since 1970. */
  readonly #fresh = new Map<string, number>();
  /** Calls begun since they were last taken, by cluster. */
  readonly #issued = new Map<string, number>();

  report(node: string, { cluster_stats }: LoadStatsRequest): void {
    const now = performance.now();
    const clusters = new Map<string, ClusterLoad>();
    for (const stats of cluster_stats) {
      const { cluster_name: name, load_report_interval: interval } = stats;
      let inProgress = 0;
      let issued = 0;
      for (const locality of stats.upstream_locality_stats) {
        inProgress += locality.total_requests_in_progress ?? 0;
        issued += locality.total_issued_requests ?? 0;
      }
      const lengthMs = (interval?.seconds ?? 0) * 1_000 + (interval?.nanos ?? 0) / 1e6;
      clusters.set(name, { inProgress, fromMs: now - lengthMs - TRANSIT_MS });
      if (issued > 0) this.#issued.set(name, (this.#issued.get(name) ?? 0) + issued);
    }
    this.#nodes.set(node, clusters);
    this.#fresh.set(node, Date.now() - TRANSIT_MS);
  }

  /** The Envoy reports no more; what it said counts no longer. */
  forget(node: string): void {
    this.#nodes.delete(node);
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

  /** Sums over all Envoys, of the clusters that had any call since the last time; and until when that is known. */
  take(): { loads: Load[]; untilMs: number } {
    const untilMs = Math.min(...this.#fresh.values());
    this.#fresh.clear();
    const sums = new Map<string, { inProgress: number; issued: number }>();
    const of = (name: string) => {
      const sum = sums.get(name) ?? { inProgress: 0, issued: 0 };
      sums.set(name, sum);
      return sum;
    };
    for (const clusters of this.#nodes.values()) {
      for (const [name, { inProgress }] of clusters) if (inProgress > 0) of(name).inProgress += inProgress;
    }
    for (const [name, issued] of this.#issued) of(name).issued += issued;
    this.#issued.clear();
    const loads = [...sums].flatMap(([name, sum]) => {
      const target = parseClusterName(name);
      return target === undefined ? [] : [{ target, ...sum }];
    });
    return { loads, untilMs };
  }
}
