import { z } from "zod";
import { manifestSchema } from "./manifest.ts";
import type { Activation } from "./state.ts";

// The JSON values that Rouse keeps in Consul. Parsed whenever they are read: anybody can edit them there.

export const deploymentSchema = z.object({
  artifact: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("bundle"), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
    z.object({
      kind: z.literal("image"),
      name: z.string().min(1),
      port: z.number().int().min(0).max(65_535),
      command: z.array(z.string()),
    }),
  ]),
  env: z.record(z.string(), z.string()),
  mounts: z.array(z.object({ source: z.string(), target: z.string() })),
  registeredAtMs: z.number(),
});

/** Value of rouse/catalog/<service>/<version>. */
export const catalogEntrySchema = z.object({
  manifest: manifestSchema.omit({ descriptorSet: true }),
  deployment: deploymentSchema,
  /** Parts are at rouse/blobs/<service>/<version>/<digest>/<0…parts-1>. Size in bytes. */
  descriptorSet: z.object({
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    size: z.number().int(),
    parts: z.number().int().min(1),
  }),
  /** What it must be approved for: at its registration the stricter of its own contract and the released version's. */
  approval: z.enum(["listing", "running"]).exactOptional(),
});
export type CatalogEntry = z.infer<typeof catalogEntrySchema>;

/** Value of rouse/tags/<service>. */
export const tagsSchema = z.record(
  z.string(),
  z.array(z.object({ version: z.string(), weight: z.number().int().min(1).max(10_000) })).min(1),
);
export type Tags = z.infer<typeof tagsSchema>;

/** Value of rouse/activation/<service>/<version>; fields that a newer Rouse adds survive an update by this one. */
export const activationSchema: z.ZodType<Activation> = z.looseObject({
  generation: z.number().int().min(1),
  served: z.boolean().exactOptional(),
  failures: z.number().int().min(0).exactOptional(),
  stopped: z.object({ reason: z.string(), atMs: z.number() }).exactOptional(),
  failure: z
    .object({
      status: z.string(),
      message: z.string(),
      retryAtMs: z.number(),
      crashes: z.number().int().exactOptional(),
      final: z.boolean().exactOptional(),
    })
    .exactOptional(),
});

/** Value of rouse/names/<lower-case service>: the name as registered and its versions. */
export const nameSchema = z.object({ service: z.string(), versions: z.array(z.string()) });

/** Value of rouse/approvals/<service>/<version>; a version that needs approval and has no such key awaits it. */
export const approvalSchema = z.object({ state: z.enum(["pending", "approved", "denied"]) });
export type ApprovalRecord = z.infer<typeof approvalSchema>;

/** What a version without a key under rouse/activation/ is in. */
export const FIRST_ACTIVATION: Activation = Object.freeze({ generation: 1 });

const someOpen = z.object({ open: z.number().int().min(0), ids: z.array(z.string()) });

/** Value of rouse/open-work/<service>/<version>: how much of it has not ended, and ids of some. */
export const openWorkSchema = z.object({
  /** Set anew when something of the version is about to begin, and emptied once whatever that was is counted. */
  pin: z.string(),
  /** Durable runs. */
  runs: someOpen,
  /** Other async calls. */
  operations: someOpen,
  orders: someOpen,
});
export type OpenWork = z.infer<typeof openWorkSchema>;
