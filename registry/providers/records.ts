import { z } from "zod";

/** Value of rouse/providers/<id>. */
export const providerSchema = z.object({
  id: z.string(),
  name: z.string(),
  contact: z.string(),
  createdAtMs: z.number(),
});
export type ProviderRecord = z.infer<typeof providerSchema>;

/** Value of rouse/keys/<key id>. */
export const providerKeySchema = z.object({
  provider: z.string(),
  /** SHA-256 of the whole key, hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  createdAtMs: z.number(),
  /** 0: it is good. */
  revokedAtMs: z.number(),
});
export type ProviderKeyRecord = z.infer<typeof providerKeySchema>;
