import semver from "semver";
import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { balancingSchema, LOAD_BALANCING } from "./balancing.ts";
import { manifestAboutSchema } from "./descriptions/about.ts";
import { jobSchema } from "./jobs.ts";
import { placementRulesSchema } from "./placement-rules.ts";
import { scalingSchema } from "./scaling.ts";
import { sessionsSchema } from "./sessions.ts";
import { standbySchema } from "./standby.ts";
import { workersSchema } from "./workers.ts";

/** Full protobuf name of a service, such as "genome.v1.GenomeService". */
const fullName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, 'must be a full protobuf name such as "genome.v1.GenomeService"');

const version = z
  .string()
  .max(64)
  .refine((value) => semver.valid(value) === value, 'must be a semantic version such as "1.4.0"');

const ms = (least: number, most: number) => z.number().int().min(least).max(most);

const method = z.strictObject({
  name: z.string().min(1),
  /** Full names of the message types. */
  input: fullName,
  output: fullName,
  clientStreaming: z.boolean(),
  serverStreaming: z.boolean(),
  mode: z.enum(["sync", "async", "both", "job"]),
  /** The handler is a durable function; absent: it is not. */
  durable: z.literal(true).exactOptional(),
  /** Longest time of a call, ms; 0: none. */
  deadlineMs: ms(0, 30 * 86_400_000),
  /** The standard option idempotency_level. */
  idempotency: z.enum(["unknown", "no_side_effects", "idempotent"]),
  /** Of mode "job": what one run may take. */
  job: jobSchema.exactOptional(),
  /** The method's comment. */
  docs: z.string(),
});

/** What the code generator says of one service version, and the registry keeps. */
export const manifestSchema = z.strictObject({
  schema: z.literal("rouse.manifest/v1"),
  service: fullName,
  version,
  summary: z.string().max(200),
  description: z.string().max(100_000),
  owner: z.string().min(1).max(200),
  exposure: z.enum(["internal", "external"]),
  resources: z.strictObject({
    /** Cores. */
    cpu: z.number().positive().max(1024),
    /** Bytes. */
    memory: z
      .number()
      .int()
      .min(32 * 2 ** 20),
    gpu: z.number().int().min(0),
    labels: z.record(z.string(), z.string()),
  }),
  startTimeoutMs: ms(100, 600_000),
  /** 0: never goes idle. */
  idleTimeoutMs: z.union([z.literal(0), ms(1_000, 86_400_000)]),
  targetConcurrency: z.number().int().min(1).max(10_000),
  minInstances: z.number().int().min(0).max(1_000),
  maxInstances: z.number().int().min(1).max(1_000),
  /** Request header, lower case; empty: none. */
  sessionKey: z.string(),
  loadBalancing: z.enum(LOAD_BALANCING),
  /** Settings of load balancing; absent: their defaults. */
  balancing: balancingSchema.exactOptional(),
  /** How sessions live and move; absent: their defaults. */
  sessions: sessionsSchema.exactOptional(),
  /** Where instances go; absent: as few on one host as possible. */
  placement: placementRulesSchema.exactOptional(),
  /** How the number of instances follows the load; absent: by the defaults of scaling.ts. */
  scaling: scalingSchema.exactOptional(),
  /** Processes or threads inside an instance; absent: it has one. */
  workers: workersSchema.exactOptional(),
  /** How idle instances are kept; absent: by the defaults of standby.ts. */
  standby: standbySchema.exactOptional(),
  /** What a person must approve first; absent: nothing. */
  approval: z.enum(["release", "listing", "running"]).exactOptional(),
  /** What people should know beside summary and description; absent: nothing. */
  about: manifestAboutSchema.exactOptional(),
  methods: z.array(method).min(1),
  /** google.protobuf.FileDescriptorSet with imports and comments, base64. */
  descriptorSet: z.string(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/**
 * Parses a manifest from JSON.
 *
 * @throws RouseError INVALID_ARGUMENT naming the field that breaks the schema.
 */
export function parseManifest(json: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The manifest is not JSON (${(cause as Error).message}). Run "rouse gen" to write it anew.`,
      { reason: "MANIFEST_INVALID", cause },
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "manifest"}: ${issue.message}`,
  );
  throw new RouseError(
    "INVALID_ARGUMENT",
    `The manifest breaks its schema: ${issues.join("; ")}. Run "rouse gen" to write it anew.`,
    { reason: "MANIFEST_INVALID" },
  );
}
