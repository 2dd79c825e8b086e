import {
  createRegistry,
  type DescExtension,
  type DescFile,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
  isMessage,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { z } from "zod";

/** JSON has no numbers for these; the options parser does, so they reach us as words. */
const double = z.union([
  z.number(),
  z.enum(["NaN", "Infinity", "-Infinity"]).transform((word) => Number(word)),
]);

/** An enum value by its name; by its number when this version of Rouse doesn't know it. */
const enumValue = (prefix: string) =>
  z
    .union([z.string(), z.number()])
    .default(`${prefix}UNSPECIFIED`)
    .transform((value) => String(value).replace(prefix, "").toLowerCase());

const field = z.object({
  name: z.string().default(""),
  description: z.string().default(""),
  required: z.boolean().default(false),
});

const about = z.object({
  purpose: z.string().exactOptional(),
  usage: z.string().exactOptional(),
  misuse: z.string().exactOptional(),
  parameters: z.array(field).exactOptional(),
  metadata: z.array(field).exactOptional(),
  workflow: z.string().exactOptional(),
  links: z.array(z.object({ title: z.string().default(""), url: z.string().default("") })).exactOptional(),
  license: z.string().exactOptional(),
  contact: z.string().exactOptional(),
  keywords: z.array(z.string()).exactOptional(),
});

const affinity = z.object({
  label: z.string().default(""),
  service: z.string().default(""),
  strict: z.boolean().default(false),
  weight: z.number().default(0),
});

const placement = z.object({
  core: z.boolean().default(false),
  spread: z
    .array(
      z.object({
        over: z.string().default(""),
        strict: z.boolean().default(false),
        weight: z.number().default(0),
      }),
    )
    .default([]),
  affinity: z.array(affinity).default([]),
  anti_affinity: z.array(affinity).default([]),
  prefer: enumValue("PREFER_"),
  max_cost_per_hour: double.default(0),
});

const serviceMesh = z.object({
  version: z.string().default(""),
  summary: z.string().default(""),
  description: z.string().default(""),
  owner: z.string().default(""),
  resources: z
    .object({
      cpu: double.default(0),
      memory: z.string().default(""),
      gpu: z.number().default(0),
      labels: z.record(z.string(), z.string()).default({}),
    })
    .default({ cpu: 0, memory: "", gpu: 0, labels: {} }),
  exposure: enumValue("EXPOSURE_"),
  start_timeout: z.string().default(""),
  idle_timeout: z.string().default(""),
  target_concurrency: z.number().default(0),
  min_instances: z.number().default(0),
  max_instances: z.number().default(0),
  session_key: z.string().default(""),
  load_balancing: enumValue("LOAD_BALANCING_"),
  placement: placement.optional(),
  workers: z
    .object({ kind: enumValue("KIND_"), count: z.number().default(0), pin_cores: z.boolean().default(false) })
    .optional(),
  scaling: z
    .object({
      high_watermark: double.default(0),
      low_watermark: double.default(0),
      stable_window: z.string().default(""),
      panic_window: z.string().default(""),
      scale_down_delay: z.string().default(""),
    })
    .optional(),
  standby: z.object({ instances: z.number().default(0), keep: z.string().default("") }).optional(),
  sessions: z
    .object({
      idle_timeout: z.string().default(""),
      retire_timeout: z.string().default(""),
      hand_over_timeout: z.string().default(""),
    })
    .optional(),
  balancing: z.object({ slow_start: z.string().default("") }).optional(),
  approval: enumValue("APPROVAL_"),
  about: about.optional(),
});

const methodMesh = z.object({
  mode: enumValue("MODE_"),
  deadline: z.string().default(""),
  durable: z.boolean().default(false),
  job: z
    .object({
      disk: z.string().default(""),
      processes: z.number().default(0),
      retries: z.number().default(0),
      outputs: z.string().default(""),
    })
    .optional(),
});

/** The option rouse.mesh.v1.service as it is written, proto3 defaults filled in. */
export type ServiceMesh = z.output<typeof serviceMesh>;
/** The option rouse.mesh.v1.method as it is written. */
export type MethodMesh = z.output<typeof methodMesh>;

/** Reads the mesh's options of services and methods, undefined where a contract has none. */
export interface MeshOptions {
  service(desc: DescService): ServiceMesh | undefined;
  method(desc: DescMethod): MethodMesh | undefined;
}

/**
 * Reads options by the descriptors that came with the request, so that the contract's own options.proto counts and
 * no generated code is needed for it.
 */
export function meshOptions(files: readonly DescFile[]): MeshOptions {
  const registry = createRegistry(...files);
  const read = (
    desc: DescService | DescMethod,
    extension: DescExtension | undefined,
  ): JsonValue | undefined => {
    if (extension?.message === undefined || !hasOption(desc, extension)) return undefined;
    const value: unknown = getOption(desc, extension);
    if (!isMessage(value, extension.message)) return undefined;
    return toJson(extension.message, value, { registry, useProtoFieldName: true });
  };
  const service = registry.getExtension("rouse.mesh.v1.service");
  const method = registry.getExtension("rouse.mesh.v1.method");
  return {
    service(desc) {
      const json = read(desc, service);
      return json === undefined ? undefined : serviceMesh.parse(json);
    },
    method(desc) {
      const json = read(desc, method);
      return json === undefined ? undefined : methodMesh.parse(json);
    },
  };
}
