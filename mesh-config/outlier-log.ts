import { join } from "node:path";
import { z } from "zod";
import { parseClusterName } from "../registry/target.ts";
import { OUTLIERS } from "./resources/clusters.ts";

/** File in a host's data folder in which its Envoy notes what it leaves out; in a folder of its own, for who watches that. */
export const outlierLogOf = (dataDir: string) => join(dataDir, "envoy", "outliers.jsonl");

/** Envoy's arguments with which it writes such a line within half a second; its default is 10 s. */
export const OUTLIER_LOG_ARGUMENTS = ["--file-flush-interval-msec", "500"] as const;

/** An Envoy leaves an instance out, or calls it again. */
export interface OutlierEvent {
  readonly service: string;
  readonly version: string;
  /** "127.0.0.1:4711" or "unix:/path". */
  readonly address: string;
  readonly isOut: boolean;
  /** For how long at the longest from then on, ms; 0 when it is called again. */
  readonly forMs: number;
  /** Why, to go after "left it out"; empty when it is called again. */
  readonly why: string;
  /** Milliseconds since 1970, by the host's clock. */
  readonly atMs: number;
}

/** envoy.data.cluster.v3.OutlierDetectionEvent, as far as it is needed. */
const eventSchema = z.object({
  type: z.string().default(""),
  timestamp: z.iso.datetime({ offset: true }),
  cluster_name: z.string(),
  upstream_url: z.string().min(1),
  action: z.enum(["EJECT", "UNEJECT"]),
  num_ejections: z.number().int().min(0).default(0),
  enforced: z.boolean().default(false),
});

/** What a line says; undefined when it is no event, one of a cluster that is no version's, or one that only might have been. */
export function parseOutlierLine(line: string): OutlierEvent | undefined {
  const { success, data } = eventSchema.safeParse(jsonOf(line));
  if (!success) return undefined;
  const target = parseClusterName(data.cluster_name);
  const isOut = data.action === "EJECT";
  if (target === undefined || (isOut && !data.enforced)) return undefined;
  return {
    service: target.service,
    version: target.version,
    // Envoy tells the path of a socket as it is.
    address: data.upstream_url.startsWith("/") ? `unix:${data.upstream_url}` : data.upstream_url,
    isOut,
    forMs: isOut ? longestMs(data.num_ejections) : 0,
    why: isOut ? whyOf(data.type) : "",
    atMs: Date.parse(data.timestamp),
  };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Each time is longer by the first one's length, and ends when Envoy looks next (Envoy, "Outlier detection": ejection algorithm). */
function longestMs(times: number): number {
  const { baseMs, longestMs: most, lookMs } = OUTLIERS;
  return Math.min(Math.max(times, 1) * baseMs, most) + lookMs;
}

function whyOf(type: string): string {
  return type === "CONSECUTIVE_GATEWAY_FAILURE"
    ? `after ${OUTLIERS.failures} errors in a row`
    : `by its rule ${type}`;
}
