import type { Load } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { LoadStatsRequest } from "../proto/wire.ts";
import { parseClusterName } from "../resources/names.ts";

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
  }

  /** The Envoy reports no more; what it said counts no longer. */
  forget(node: string): void {
    this.#nodes.delete(node);
  }

  /** Each of the Envoys reports, and there is one. */
  covers(nodes: readonly string[]): boolean {
    return nodes.length > 0 && nodes.every((node) => this.#nodes.has(node));
  }

  /** The Envoy had no call open on the cluster at the end of an interval that began after the moment. */
  quietSince(node: string, cluster: string, momentMs: number): boolean {
    const load = this.#nodes.get(node)?.get(cluster);
    return load !== undefined && load.inProgress === 0 && load.fromMs >= momentMs;
  }

  /** Sums over all Envoys, of the clusters that had any call since the last time. */
  take(): Load[] {
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
    return [...sums].flatMap(([name, sum]) => {
      const target = parseClusterName(name);
      return target === undefined ? [] : [{ target, ...sum }];
    });
  }
}
