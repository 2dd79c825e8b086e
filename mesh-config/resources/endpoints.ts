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
}

/** Who is on probation gets one call where another gets this many. */
const PROBATION_DIVISOR = 10;

/** The endpoints of a cluster, in the order of their ids, so that the same set is the same resource. */
export function endpoints(cluster: string, list: readonly Endpoint[]): JsonObject {
  const weighted = list.some(({ onProbation }) => onProbation);
  const sorted = [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    cluster_name: cluster,
    endpoints: [
      {
        lb_endpoints: sorted.map(({ address, draining, onProbation }) => ({
          endpoint: { address: envoyAddress(address) },
          health_status: draining ? "DRAINING" : "HEALTHY",
          ...(weighted ? { load_balancing_weight: onProbation ? 1 : PROBATION_DIVISOR } : {}),
        })),
      },
    ],
  };
}
