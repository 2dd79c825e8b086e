import { z } from "zod";
import { formatDuration } from "../../codegen/plugin/duration.ts";

const count = (least: number, most: number) => z.number().int().min(least).max(most);
const ms = (least: number, most: number) => z.number().int().min(least).max(most);

/** What may be set above a contract, within the limits that the contract has as well (registry/manifest.ts). */
export const tuningSchema = z.object({
  targetConcurrency: count(1, 10_000).exactOptional(),
  minInstances: count(0, 1_000).exactOptional(),
  maxInstances: count(1, 1_000).exactOptional(),
  highWatermark: z.number().min(0.1).max(1).exactOptional(),
  lowWatermark: z.number().min(0).max(0.9).exactOptional(),
  stableWindowMs: ms(2_000, 3_600_000).exactOptional(),
  panicWindowMs: ms(1_000, 300_000).exactOptional(),
  scaleDownDelayMs: ms(0, 3_600_000).exactOptional(),
  /** 0: never. */
  idleTimeoutMs: z.union([z.literal(0), ms(1_000, 86_400_000)]).exactOptional(),
  /** Processes or threads inside an instance. */
  workers: count(1, 64).exactOptional(),
  /** 1: an instance stays on whole cores that its host chooses; 0: it runs anywhere. */
  pinCores: count(0, 1).exactOptional(),
});

export type Tuning = z.infer<typeof tuningSchema>;
export type TuningField = keyof Tuning;

/** What an instance has for its whole life: those that run are replaced; all the rest holds at once, without that. */
export const BY_REPLACEMENT: ReadonlySet<TuningField> = new Set<TuningField>(["workers", "pinCores"]);

/** All fields, in the order in which people read them. */
export const TUNING_FIELDS = Object.keys(tuningSchema.shape) as readonly TuningField[];

/** Value of rouse/tuning/<service>/<version>, and of rouse/tuning/<service>/* for all versions. */
export const tuningRecordSchema = z.object({
  settings: tuningSchema,
  /** Provider id, or "administrator". */
  by: z.string(),
  atMs: z.number(),
});
export type TuningRecord = z.infer<typeof tuningRecordSchema>;

/** The field as contracts write it: "targetConcurrency" is "target_concurrency", "idleTimeoutMs" "idle_timeout". */
export function contractName(field: TuningField): string {
  return field.replace(/Ms$/, "").replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A value as people write it: "on", "never", "30s", "4". */
export function said(field: TuningField, value: number): string {
  if (field === "idleTimeoutMs" && value === 0) return "never";
  if (field === "pinCores") return value === 1 ? "on" : "off";
  return field.endsWith("Ms") ? formatDuration(value).replace(/^0ms$/, "0s") : String(value);
}

/** The values that a field may have, in words. */
export function allowed(field: TuningField): string {
  if (field === "idleTimeoutMs") return "1s to 24h, or never";
  const { minimum, maximum } = z.toJSONSchema(tuningSchema.shape[field]);
  return `${said(field, minimum ?? 0)} to ${said(field, maximum ?? 0)}`;
}
