import { z } from "zod";

const ms = (least: number, most: number) => z.number().int().min(least).max(most);

/** How the number of instances of a version follows its load; field by field as in rouse/mesh/v1/options.proto. */
export const scalingSchema = z.strictObject({
  /** Instances are added while each has more than this share of the target concurrency. */
  highWatermark: z.number().min(0.1).max(1),
  /** Instances are taken away while each has less than this share of it; less than `highWatermark`. */
  lowWatermark: z.number().min(0).max(0.9),
  /** Span of time whose mean load counts when things are quiet, ms. */
  stableWindowMs: ms(2_000, 3_600_000),
  /** Span of time whose mean load counts when it rises, ms; at most `stableWindowMs`. */
  panicWindowMs: ms(1_000, 300_000),
  /** So long fewer instances must have been enough before one is taken away, ms. */
  scaleDownDelayMs: ms(0, 3_600_000),
});

export type Scaling = z.infer<typeof scalingSchema>;

/**
 * What holds where a contract says nothing. The windows are those of Knative's autoscaler (stable-window 60s, a tenth of it for
 * panic; config-autoscaler in knative.dev/serving). Its target is 70 % of an instance's concurrency; here it is the band between
 * the watermarks, in which nothing moves.
 */
export const DEFAULT_SCALING: Scaling = Object.freeze({
  highWatermark: 0.8,
  lowWatermark: 0.5,
  stableWindowMs: 60_000,
  panicWindowMs: 6_000,
  scaleDownDelayMs: 30_000,
});
