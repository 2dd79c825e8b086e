import { z } from "zod";
import type { FieldShape, Shape } from "../../sdk/actor/shape.ts";

const scalars = [
  "string",
  "double",
  "int32",
  "uint32",
  "int64",
  "bool",
  "bytes",
  "timestamp",
  "value",
] as const;

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.union([
    z.object({ kind: z.enum(scalars) }),
    z.object({ kind: z.enum(["list", "map"]), of: shape }),
    z.object({ kind: z.literal("message"), fields: z.array(field) }),
  ]),
);

const field: z.ZodType<FieldShape> = z.object({
  key: z.string(),
  name: z.string(),
  optional: z.boolean(),
  docs: z.string(),
  shape,
});

/** What a program says of the actors that it declares. */
export const descriptionsSchema = z.array(
  z.object({
    name: z.string(),
    settings: z.object({
      version: z.string().optional(),
      owner: z.string().optional(),
      summary: z.string().optional(),
      exposure: z.enum(["internal", "external"]).optional(),
      cpu: z.number().optional(),
      memory: z.string().optional(),
      keyed: z.boolean().optional(),
    }),
    methods: z.array(z.object({ name: z.string(), docs: z.string(), input: shape, output: shape })),
  }),
);

/** One actor. */
export type ActorDescription = z.infer<typeof descriptionsSchema>[number];
