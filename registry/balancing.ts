import { z } from "zod";

/** How an instance is chosen for a call; what each means stands in rouse/mesh/v1/options.proto. */
export const LOAD_BALANCING = [
  "round_robin",
  "least_request",
  "none",
  "ring_hash",
  "locality_weighted",
  "zone_aware",
  "client",
] as const;
export type LoadBalancing = (typeof LOAD_BALANCING)[number];

/** Policies that give a new instance its share step by step, if they are asked to. */
export const SLOW_STARTERS: readonly LoadBalancing[] = [
  "round_robin",
  "least_request",
  "locality_weighted",
  "zone_aware",
];

/** Settings of load balancing. */
export const balancingSchema = z.strictObject({
  /** A new instance gets its share step by step over this time, ms; 0: at once. */
  slowStartMs: z.number().int().min(0).max(900_000),
});
