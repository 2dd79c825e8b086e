import { z } from "zod";

/** How idle instances of a version are kept frozen; field by field as in rouse/mesh/v1/options.proto. */
export const standbySchema = z.strictObject({
  /** At most so many are kept; 0: none. */
  instances: z.number().int().min(0).max(100),
  /** So long each is kept at most, ms. */
  keepMs: z
    .number()
    .int()
    .min(1_000)
    .max(7 * 86_400_000),
});

export type Standby = z.infer<typeof standbySchema>;

/** What holds where a contract says nothing. */
export const DEFAULT_STANDBY: Standby = Object.freeze({ instances: 1, keepMs: 1_800_000 });
