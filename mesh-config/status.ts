import type { Envoy } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { kinds } from "./xds/resource.ts";
import type { DeltaStream } from "./xds/stream.ts";

/** One connected Envoy with what it accepted or refused. */
export type EnvoyStatus = Envoy;

export function envoyStatus(streams: Iterable<DeltaStream>, controlPlane: string): EnvoyStatus[] {
  return [...streams].map(({ node, version, connectedAtMs, subscriptions }) => ({
    id: node,
    version,
    connectedAtMs,
    controlPlane,
    types: kinds.map((kind) => {
      const { accepted, ackedAtMs, acks, nacks, nack, nackedAtMs } = subscriptions[kind];
      return { type: kind, resources: accepted.size, ackedAtMs, acks, nacks, nack, nackedAtMs };
    }),
  }));
}
